"""The project: packager.toml, the paths that belong to it, and the files of its state folder.

Start at `project.py`, which names every path.
"""
