"""Lists the files of the source in sorted order, with their member names."""
