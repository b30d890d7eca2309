"""Losses and ingredients of methods, beside their formulas: torch and NumPy only, no files, no jobs."""
