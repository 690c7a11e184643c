"""Which bytes a file has: hashes of source files that planning needs, and the content that was withdrawn."""
