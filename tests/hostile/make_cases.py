"""Make the hostile corpus again: `python tests/hostile/make_cases.py` writes files/, one file or folder a fault.

What is large or only claims to be is made by `hostile_large` when a test runs. cases.toml says what each
must end in. Parquet's bytes hang on pyarrow's version; all others are the same wherever they are made.
"""

import shutil
from pathlib import Path

import hostile_documents
import hostile_frames
import hostile_records
import hostile_tables
import hostile_tars
import hostile_torrents

FILES = Path(__file__).parent / "files"


def made() -> dict[str, bytes]:
    """Return every file of the corpus by its path in files/."""
    return (
        hostile_documents.MADE
        | hostile_frames.MADE
        | hostile_records.MADE
        | hostile_tables.made()
        | hostile_tars.MADE
        | hostile_torrents.MADE
    )


def main() -> None:
    """Write files/ anew."""
    shutil.rmtree(FILES, ignore_errors=True)
    for name, data in made().items():
        (FILES / name).parent.mkdir(parents=True, exist_ok=True)
        (FILES / name).write_bytes(data)


if __name__ == "__main__":
    main()
