"""A second implementation of manifests/FORMAT.md, written from its text alone.

It checks a complete release and the chain of releases before it, and computes again every byte that FORMAT.md
says is determined. It imports nothing of packager: only the standard library, pyarrow (to read Parquet),
zstandard, and cryptography (for Ed25519). Run it on any site with

    python -m tests.second_implementation SITE [SHARDS] [--source FOLDER] [--key PUBLIC_KEY]

The sections in the docstrings are those of FORMAT.md.
"""
