"""The records file: rows of CSV, TSV, JSON lines, Parquet or SQLite become one checked table."""
