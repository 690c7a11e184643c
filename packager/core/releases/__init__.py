"""Releases: the documents that are published, what follows from one release to the next, and whom to trust.

`next_release.py` builds release.json, `document_checks.py` and `trust.py` decide about a stranger's,
`withheld_shards.py` says what may be handed out, `mirror_strategies.py` what a mirror keeps. Writing the site is in
`publish/`.
"""
