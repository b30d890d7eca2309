"""A network so small that everything about it takes no time."""

TINY = {"backbone": "prenet", "stages": 1, "channels": 2, "blocks": 1}
