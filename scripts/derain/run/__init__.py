"""Runs of the workflow: lock, status, causes of reruns, cost, time limits, and the adapter to Snakemake."""
