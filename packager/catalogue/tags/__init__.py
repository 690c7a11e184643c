"""Reads tags of audio files with mutagen, in several processes and within limits."""
