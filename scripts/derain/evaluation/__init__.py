"""Restored images, their scores, and what the scores say about forgetting."""
