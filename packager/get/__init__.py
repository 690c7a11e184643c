"""Listeners: a few members out of a release, without their shards."""
