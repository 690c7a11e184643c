"""Releases: the documents that are published, what follows from one release to the next, and whom to trust.

`next_release.py` builds release.json, `document_checks.py` and `trust.py` decide about a stranger's, `sharing_rule.py`
says what may be handed out, `choose_shards.py` what a mirror keeps. Writing the site is in `publish/`.
"""
