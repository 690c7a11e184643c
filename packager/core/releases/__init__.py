"""Releases: published documents, the rules from one release to the next, and trust.

`next_release.py` builds release.json, `document_checks.py` and `trust.py` check untrusted ones,
`withheld_shards.py` decides what may be handed out, `mirror_strategies.py` what a mirror keeps. The site is written in
`publish/`.
"""
