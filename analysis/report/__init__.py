"""The report of a sweep: page, tables, files."""
