"""Formats and decisions: documents, shards and releases, without I/O.

Nothing here opens a file, reads a clock or starts a thread, so everything can be tested with plain values. Start at
`releases/documents.py` for the documents, at `shards/layout.py` for the bytes of a shard.
"""
