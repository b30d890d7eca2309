"""The experiment of a config file: its schema, and error messages in the words of the config."""
