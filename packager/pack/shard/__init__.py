"""One shard: read once, hashed, written, and its documents beside it. Start at `pack_shard.py`."""
