"""The web server: the site, and every shard as if it were a file (BEP 19), with or without its tar."""
