"""Restores images, scores them, and computes continual-learning metrics from the scores."""
