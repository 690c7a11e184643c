"""`prune`: tars and folders that nobody should share any more, found and deleted."""
