"""`repair` and `rebuild`: bad pieces replaced in place, and whole shards written again from loose files."""
