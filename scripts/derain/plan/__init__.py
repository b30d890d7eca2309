"""What exists and what decides it: recipes, artifacts, digests of code."""
