"""What every room reads and writes with: bytes and rows, and no command."""
