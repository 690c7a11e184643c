"""Reads and checks the records file: CSV, TSV, JSON lines, Parquet or SQLite."""
