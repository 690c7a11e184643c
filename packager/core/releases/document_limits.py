"""Check before packing that readers can read the documents of a plan's release. Pure."""

from packager.core.bittorrent.magnet import parse_magnet
from packager.core.releases import documents
from packager.core.releases.next_release import shard_magnet
from packager.core.shards.folder_layout import file_of
from packager.errors import InputError
from packager.model import Infohash, Plan
from packager.options import Config

_V1, _V2 = Infohash("0" * 40), Infohash("0" * 64)
_LISTED = 600  # minimum bytes of a shard in release.json without its magnet link


def check_limits(plan: Plan, config: Config) -> None:
    """Raise InputError if a magnet link or release.json would be larger than readers accept."""
    size = 0
    for phase in plan.phases:
        if not phase.shards:
            continue
        last = phase.shards[-1]
        file = file_of(last.name, last.container)
        magnet = shard_magnet(config, file, last.container, last.size, v1=_V1, v2=_V2)
        try:
            parse_magnet(magnet, "packager.toml: torrent")
        except InputError as error:
            what = f"readers refuse a magnet link with these trackers and web seeds ({error.what})"
            raise InputError("packager.toml: torrent", what, "correct or remove some") from error
        size += len(phase.shards) * (len(magnet) + _LISTED)
    if size > documents.LIMIT:
        what = f"release.json would have more than {size} bytes, and readers accept at most {documents.LIMIT}"
        raise InputError("packager.toml: shards.size", what, "raise it, so that there are fewer shards")
