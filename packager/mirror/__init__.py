"""Mirrors: follow a signed release, choose shards, and fetch them or add them to a running torrent client."""
