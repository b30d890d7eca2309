"""Use of a finished network: loading it, and restoring images of any size from Python or from files."""
