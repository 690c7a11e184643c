"""What readers of a release need and its config does not give: one closing note of `release` and `publish`. Pure."""

from packager.core.reports.reports import MissingForReaders
from packager.options import Config


def missing_for_readers(config: Config) -> tuple[MissingForReaders, ...]:
    """Return what readers of a release by this config will miss, the most important first, with the keys to set."""
    collection, torrent, release = config.collection, config.torrent, config.release
    needs = (
        ("trackers", torrent.trackers, "peers find each other only through the DHT", "torrent.trackers"),
        ("web seeds", torrent.web_seeds, "no download without a seeder", "torrent.web_seeds"),
        ("signature", release.key, "no proof that the release is yours", "release.key"),
        ("licence", collection.licence.strip(), "no word on what they may do with the files", "collection.licence"),
        ("contact", collection.contact.strip(), "no way to reach you", "collection.contact"),
        ("address", release.base_url, "feeds and mirrors need it", "release.base_url"),
    )
    return tuple(MissingForReaders(what=what, means=means, key=key) for what, given, means, key in needs if not given)
