"""`extract` writes members of a shard as files, each after a check of its digest."""
