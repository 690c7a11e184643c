"""Makes complete shards from the catalogue: plans them, reads the source files once, and writes tars and documents."""
