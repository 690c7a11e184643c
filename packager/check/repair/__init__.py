"""`repair` replaces bad pieces in place; `rebuild` writes complete shards again from loose files."""
