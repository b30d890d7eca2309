"""The plan of an experiment: stages, their artifacts and recipes, digests of code."""
