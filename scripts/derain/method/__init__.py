"""What a method is made of, beside its formulas: torch only, no files, no jobs."""
