"""The page that tells what was kept and what was lost."""
