"""From the catalogue to whole shards: the plan, the one pass over the sources, the shard's documents."""
