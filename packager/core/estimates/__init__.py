"""How large, how long and how sure: the arithmetic of `estimate` and of samples. Measuring is in `engine/hashing/`."""
