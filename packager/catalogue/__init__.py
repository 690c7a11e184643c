"""Makes the catalogue from a folder of files and a records file."""
