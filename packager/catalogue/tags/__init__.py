"""Tags of audio files, read by mutagen on several processes and within limits."""
