"""Packs one shard: reads its files once, hashes them, and writes the tar and documents. Start at `pack_shard.py`."""
