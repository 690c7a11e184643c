"""Makes torrents of files and folders, and seeds shards."""
