"""The HTML page, and figures and tables for a paper, made from the result tables and previews of a run."""
