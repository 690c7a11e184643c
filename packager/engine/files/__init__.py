"""Files on this machine: written beside their place and moved into it, locked, read within limits, read by ranges.

Start at `atomic_files.py`. Every output of packager gets its name there. Stores are in `engine/stores/`.
"""
