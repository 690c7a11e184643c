"""Shards given to others: seeded to a swarm."""
