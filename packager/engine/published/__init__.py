"""Published releases and shards as a reader opens them: in a folder, at a URL, in a store.

`open_release.py` is the way to open a release: `release_reader.py` reads its files, `accept_release.py` decides whether
it is trusted. `published_shard.py` opens a shard's documents. Making a release is in `publish/`.
"""
