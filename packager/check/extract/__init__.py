"""`extract`: members of a shard as files, each compared with its digest first."""
