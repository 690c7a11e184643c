"""Publishes a release: writes its documents, lists and pages, and replaces the site in one step."""
