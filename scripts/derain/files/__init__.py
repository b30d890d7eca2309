"""Files of the results: atomic writes, digests, tensors and their metadata, CSV tables, the stage store."""
