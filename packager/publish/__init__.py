"""The publish room: a release's documents, lists and pages, put in place so that a reader sees all or nothing."""
