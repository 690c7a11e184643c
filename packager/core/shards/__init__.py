"""Shards: which records are in one, where each of its bytes comes from, and the names of its files.

`cut_shards.py` divides a phase, `layout.py` describes the bytes, `build_tar_header.py` and `bag.py` write the frame.
Reading and writing the bytes is in `pack/` and `engine/files/`.
"""
