"""Hashes source files for the plan, and finds files with withdrawn content."""
