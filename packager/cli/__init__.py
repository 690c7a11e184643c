"""The command line: parse options, call one API function, print its result, return the exit code."""
