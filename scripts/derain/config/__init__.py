"""The experiment of a config file: its sections, and error messages in the words of the config."""
