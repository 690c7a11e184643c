"""Native code for hashes, and its Python interface. If it was not compiled, hashlib is used."""
