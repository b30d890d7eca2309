"""The generated documents: docs/config.md, docs/config.schema.json and docs/tables.md."""
