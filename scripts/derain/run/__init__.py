"""A run of the workflow: its lock, its status, its cost, and the one adapter to Snakemake."""
