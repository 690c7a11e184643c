"""Hashes of data: pieces, blocks and files in one sequential read, on one thread or several processes.

`stream_hasher.py` is the hasher of a shard that is made, `check_tasks.py` what a verify asks for. What the hashes are
compared with is in `core/bittorrent/piece_hashes.py`.
"""
