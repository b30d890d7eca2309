"""Files of the results: written whole or not at all, their digests, tensors and tables in them."""
