"""Formats and decisions: what a document, a shard or a release is, and which of several is right. No I/O.

Nothing here opens a file, asks the time or starts a thread; all of it can be tested with plain values. Start at
`releases/documents.py` for the documents, at `shards/layout.py` for the bytes of a shard.
"""
