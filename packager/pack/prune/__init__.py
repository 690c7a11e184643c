"""`prune`: finds and deletes tars and folders that should no longer be shared."""
