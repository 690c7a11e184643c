"""What a verify checks: a shard, a bag, the data of a .torrent, a checksum list. `find_targets.py` tells which."""
