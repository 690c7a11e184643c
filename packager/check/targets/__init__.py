"""Targets of verify: shards, bags, the data of a .torrent, lists of digests. `find_targets.py` finds them."""
