"""Arithmetic of `estimate` and of random samples. Measurements are in `engine/hashing/`."""
