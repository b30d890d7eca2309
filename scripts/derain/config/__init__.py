"""Reading and validation of a config file: its sections, and error messages in the user's terms."""
