"""`inspect`: show the contents and the issues of one file. One module per kind of file."""
