"""The command line: parse, call one api function, print, exit code. It decides nothing."""
