"""Commands for seeders: verify, repair, rebuild, extract and inspect."""
