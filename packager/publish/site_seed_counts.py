"""The seed counts on the site: saved counts, updated from trackers on request.

They are not part of the release: release.json, its serial and its chain do not depend on them.
"""

import time
from collections.abc import Mapping

from packager.core.http.allowed_hosts import AllowedHosts
from packager.core.releases import documents
from packager.core.releases.seed_counts import Counted, SeedCounts, by_shard, merge_counts, questions
from packager.core.reports.reports import ScrapeReport
from packager.engine.files import atomic_files
from packager.engine.files.limited_read import read_limited
from packager.engine.project.project import Project
from packager.model import Release, ShardName
from packager.paths import display_text
from packager.progress import Progress
from packager.units import parse_date


def read_seed_counts(project: Project) -> Mapping[ShardName, Counted]:
    """Return the last known counts of each shard. Raises InputError if their file is damaged."""
    path = project.seed_counts
    if not path.is_file():
        return {}
    shards = documents.from_bytes(read_limited(path, documents.LIMIT), SeedCounts, path).shards
    for name, each in shards.items():
        parse_date(each.at, f"{path}: {display_text(name)}")
    return shards


def update_seed_counts(
    project: Project, release: Release, allowed: AllowedHosts, *, now: str, progress: Progress
) -> tuple[Mapping[ShardName, Counted], ScrapeReport]:
    """Ask the release's trackers, save their counts, and return the counts of all shards and a report.

    allowed: hosts that may be asked although they are not on the public Internet. now: RFC 3339, the time of the
    counts. If a tracker fails, its shards keep their old counts.
    """
    from packager.engine.network.scrape_trackers import (
        scrape_trackers,  # imports httpx, which takes 0.2 s
    )

    began = time.monotonic()
    asked = questions(release)
    if not asked:
        progress.note("no seed counts: the release has no tracker that can be asked")
    scraped = scrape_trackers(asked, allowed=allowed, progress=progress)
    found = by_shard(release, scraped.counts)
    counted = merge_counts(read_seed_counts(project), found, now)
    if found:
        document = SeedCounts(format=documents.FORMAT, type="seed-counts", shards=counted)
        atomic_files.write_bytes(project.seed_counts, documents.to_bytes(document))
    return counted, ScrapeReport(
        counted=len(found),
        shards=len(release.shards),
        seconds=round(time.monotonic() - began, 3),
        trackers=scraped.trackers,
    )
