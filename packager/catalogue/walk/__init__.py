"""The files of the source, in sorted order, with a member name for each."""
