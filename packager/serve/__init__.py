"""A web server for the site and for shards as web seeds (BEP 19), whether or not a shard has a tar."""
