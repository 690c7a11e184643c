"""Thousands of shards and tens of millions of members: documents and pages stay small, and so does what is held."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from bench.timing import own_peak_kib
from packager.core.releases import documents, release_lists
from packager.engine.tables import parquet
from packager.model import Release
from packager.publish.site import render
from packager.publish.site.pages import MEMBERS_ON_A_PAGE
from tests.helpers.made_up_releases import make_members, make_phase, make_release, make_shard

TRACKERS = "&tr=udp%3A%2F%2Ftracker-of-some-length.example.org%3A6969%2Fannounce" * 4
WEB_SEED = "&ws=https%3A%2F%2Farchive.example.org%2Fshards%2F"
REPOSITORY = Path(__file__).parents[2]


def large_release(shards: int, members: int) -> Release:
    """Return a release of so many hybrid shards of 100 GiB, with five trackers and a web seed each."""
    made = [make_shard(number=number + 1, size=100 << 30, members=members) for number in range(shards)]
    made = [msgspec.structs.replace(shard, magnet=shard.magnet + TRACKERS + WEB_SEED) for shard in made]
    return make_release([make_phase("audio", made, files=shards * members)], made)


def test_the_documents_of_5_000_shards_are_under_10_mb() -> None:
    release = large_release(5_000, 17_200)
    assert len(documents.to_bytes(release)) < 10_000_000
    assert len(release_lists.torrents_json(release, {})) < 10_000_000


def render_large(folder: Path) -> int:
    """Render 3,000 shards of 28,700 members each, whose table is read as publishing reads it; return its most KiB.

    Asserts what pages hold, and that no more rows are asked for than a page shows.
    """
    members = 28_700
    table = folder / "members.parquet"
    rows = make_members([{"title": f"Song {number}", "artist": "Somebody"} for number in range(members)])
    parquet.write_members(table, rows.schema, rows.to_batches(), members)
    del rows
    before = own_peak_kib()

    def read(_: object, count: int) -> pa.Table:
        assert count <= MEMBERS_ON_A_PAGE
        return parquet.read_rows(table, 0, count)

    written = render.render_site(large_release(3_000, members), site=folder / "site", read_members=read)
    pages = [file for file in written if file.path.endswith(".html")]
    assert len(pages) > 3_000
    assert max(file.size for file in pages) < 200_000
    return own_peak_kib() - before


@pytest.mark.soak
def test_a_site_of_86_million_members_holds_none_of_them_in_memory(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.publish.test_large_release import render_large\n"
        "print(render_large(Path(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 200 << 10  # KiB: 3,000 shards' facts and one page; the members' rows would be 40 GB
