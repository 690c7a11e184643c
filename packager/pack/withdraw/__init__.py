"""`withdraw` and `supersede`: what the archivist notes, for the next release to say."""
