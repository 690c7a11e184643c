"""Reports of commands: frozen values that the CLI prints and `--json` writes. They contain no rules."""
