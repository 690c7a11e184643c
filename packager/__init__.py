"""packager: cut an archive release into deterministic shards with manifests, torrents and pages.

Scripts import `packager.api`; the command line is `packager.cli`.
"""

__version__ = "0.1.0"
