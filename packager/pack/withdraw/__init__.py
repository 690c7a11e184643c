"""`withdraw` and `replace`: what the archivist notes, for the next release to say."""
