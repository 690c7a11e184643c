"""`withdraw` and `replace`: record what the next release changes."""
