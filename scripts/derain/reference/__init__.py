"""The generated documents: config.md, config.schema.json and tables.md of docs/reference."""
