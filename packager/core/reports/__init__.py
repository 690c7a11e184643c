"""What commands return: frozen values that the CLI prints and `--json` writes. No rule is decided here."""
