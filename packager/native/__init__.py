"""Native code and its door: pure computing, as hashlib's is, and hashlib wherever it was not compiled."""
