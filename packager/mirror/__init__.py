"""The mirror room: a signed release followed, shards chosen and fetched, or handed to a client that runs already."""
