"""Runs of the workflow: lock, status, jobs of a killed run, causes of reruns, replaced results, cost, time limits."""
