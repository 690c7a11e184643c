"""Find what a config lacks for readers of the release: a note at the end of `release` and `publish`. Pure."""

from packager.core.reports.reports import MissingForReaders
from packager.options import Config


def missing_for_readers(config: Config) -> tuple[MissingForReaders, ...]:
    """Return what is missing for readers of the release, the most important first, with the keys to set."""
    collection, torrents, release = config.collection, config.torrents, config.release
    needs = (
        ("trackers", torrents.trackers, "peers find each other only through the DHT", "torrents.trackers"),
        ("web seeds", torrents.web_seeds, "no download without a seeder", "torrents.web_seeds"),
        ("signature", release.secret_key, "no proof that the release is yours", "release.secret_key"),
        ("licence", collection.licence.strip(), "no word on what they may do with the files", "collection.licence"),
        ("contact", collection.contact.strip(), "no way to reach you", "collection.contact"),
        ("address", release.url, "feeds need it", "release.url"),
    )
    return tuple(MissingForReaders(what=what, means=means, key=key) for what, given, means, key in needs if not given)
