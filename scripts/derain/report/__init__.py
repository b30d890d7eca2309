"""The page, its charts, and figures and tables for a paper, from the tables and previews of a run."""
