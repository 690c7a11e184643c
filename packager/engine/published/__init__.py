"""Published releases and shards as a reader opens them: in a folder, at a URL, in a store.

`open_release.py` is the way to open a release, `published_shard.py` to open a shard's documents. Making a release is in
`publish/`.
"""
