"""Tables: Parquet, JSON lines in zstd, and SQL over them by DuckDB, in batches and within a memory limit.

`parquet.py` reads and writes our own tables, `untrusted_parquet.py` reads a stranger's, `sql.py` is the door to DuckDB.
"""
