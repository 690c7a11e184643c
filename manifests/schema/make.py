"""Make the JSON Schemas again (`python manifests/schema/make.py`): of documents, lists and reports.

Shapes come from packager's own types; what a field means and which values it takes stands here. A field
without a line here, or a line without its field, stops the making.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from packager import model
from packager.core.estimates import estimate as estimates
from packager.core.releases import lookup_index, release_lists, withdrawn_records
from packager.core.reports import check_reports, inspection, mirror_reports, reports

FOLDER = Path(__file__).parent
DRAFT = "https://json-schema.org/draft/2020-12/schema"
HEX64 = {"pattern": "^[0-9a-f]{64}$"}
HEX40 = {"pattern": "^[0-9a-f]{40}$"}
DATE = {"pattern": "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z$"}
SLUG = {"pattern": "^[a-z0-9][a-z0-9._-]{0,31}$"}
SHARD = {"pattern": "^[a-z0-9][a-z0-9._-]*-[0-9]{5}$"}
TAR = {"pattern": "^[a-z0-9][a-z0-9._-]*-[0-9]{5}(\\.tar)?$"}
MAGNET = {"pattern": "^magnet:\\?xt=urn:bt(ih:[0-9a-f]{40}|mh:1220[0-9a-f]{64})&"}
SITE_PATH = {"pattern": "^[a-z]+/[^/]+$"}
KEY = {"pattern": "^RW[A-Za-z0-9+/]{54}$"}  # "Ed", 8-byte key id, 32-byte key
ONE_UP = {"minimum": 1}
PIECE = {"minimum": 16384}
FORMAT = {"const": 1}

Rule = dict[str, Any]
Told = str | tuple[str, Rule]

# What both a manifest and a release's list of shards say of a shard.
SHARD_FACTS: dict[str, Told] = {
    "name": ("The shard's name: COLLECTION-PHASE-NNNNN.", SHARD),
    "phase": ("The phase's name.", SLUG),
    "number": ("The shard's number in its phase.", ONE_UP),
    "file": ("The name of the tar or folder, which is the torrent's name.", TAR),
    "size": ("Bytes of the tar, or of all files of the folder.", ONE_UP),
    "payload": "Bytes of its members.",
    "members": ("Its members.", ONE_UP),
    "piece_length": ("Bytes of a piece, a power of two.", PIECE),
    "pieces_root": ("Pieces root of the tar (BEP 52); null in a v1-only release, and of a folder.", HEX64),
    "infohash_v1": ("Infohash of BEP 3; null in a v2-only release.", HEX40),
    "infohash_v2": ("Infohash of BEP 52; null in a v1-only release.", HEX64),
    "twin_infohash": ("Infohash of the extra v1-only torrent; left out where there is none.", HEX40),
    "sha256": ("SHA-256 of the whole tar; left out where it was not asked for.", HEX64),
}
PHASE_FACTS: dict[str, Told] = {
    "name": ("The phase's name.", SLUG),
    "title": "What people read.",
    "records": "Records that the phase holds.",
    "files": "Members of its shards.",
    "payload": "Bytes of those files.",
    "content": "The records' files, or the catalogue itself.",
}
TO_DELETE_LATER = "Files here that should be deleted once the next release is out."
OTHER_CONTENT = (
    "Files that are left out because their ids are withdrawn, although their content is not what was withdrawn. Left"
    " out where there are none."
)
WITHDRAWN_MEMBERS = "Members that were withdrawn since, of which the table has no row; left out where 0."
EXTENSIONS = "What other programs add; readers ignore its content. Left out where empty."
STATE = "published; of the others the first is next, the rest planned."

TOLD: dict[str, dict[str, Told]] = {
    "Manifest": {
        **SHARD_FACTS,
        "format": ("Version of the formats.", FORMAT),
        "type": "What this document is.",
        "tool": "What made it, for people.",
        "collection": ("The collection's name.", SLUG),
        "container": "How the bag is kept: a tar, or files in a folder.",
        "oversize": "Whether its one member is larger than the archivist's bound on shards.",
        "bag_info": "The text of bag-info.txt.",
        "mtimes": "Whether the members table says the files' times in mtime_ns; left out where false.",
        "withdrawn": WITHDRAWN_MEMBERS,
        "extensions": EXTENSIONS,
    },
    "Release": {
        "format": ("Version of the formats.", FORMAT),
        "type": "What this document is.",
        "serial": ("1, 2, 3 ... without a gap.", ONE_UP),
        "date": ("Of this release.", DATE),
        "previous": ("SHA-256 of the release.json before it; null in serial 1.", HEX64),
        "collection": "What is released.",
        "base_url": "Where the release's folder is on the web, or empty.",
        "catalogue_records": "Records of the whole catalogue, with and without a file.",
        "phases": "The timeline, in order.",
        "shards": "Every published shard, phase after phase, by number.",
        "withdrawals": "Withdrawn records, also those whose withdrawal was lifted.",
        "next_key": ("minisign public key that alone signs the releases after this one; left out: as before.", KEY),
        "unread": ("Files and folders of the collection that could not be read; left out where 0.", ONE_UP),
        "extensions": EXTENSIONS,
    },
    "CollectionFacts": {
        "name": ("Short name, part of every shard's.", SLUG),
        "title": "What people read.",
        "description": "A paragraph or more, or empty.",
        "licence": "The terms under which others may share it, or empty.",
        "contact": "How to reach the archivist, or empty.",
        "homepage": "An address that tells more, or empty.",
    },
    "ReleasePhase": {
        **PHASE_FACTS,
        "state": STATE,
        "size": "Bytes of its tars.",
        "shards": "Its shards; planned ones where it is not published.",
        "embargo": ("Date before which it stays closed; left out where there is none.", DATE),
    },
    "ReleaseShard": {
        **SHARD_FACTS,
        "container": "How the bag is kept: a tar, left out, or files in a folder.",
        "added": ("Date of the release that first listed it.", DATE),
        "magnet": ("Magnet link of its torrent.", MAGNET),
        "torrent": "NAME.torrent.",
        "manifest": "NAME.manifest.json.",
        "members_table": "NAME.members.parquet.",
        "members_tsv": "NAME.members.tsv.zst.",
        "twin_magnet": ("Magnet link of the extra v1-only torrent; left out where there is none.", MAGNET),
        "twin_torrent": "NAME.v1.torrent; left out where there is none.",
        "since": ("Serial of the release that first listed it; left out where 1.", ONE_UP),
        "obsolete": "Whether nobody need hold it any more; left out where false.",
        "obsolete_since": ("Serial of the release that said so; left out where it is not obsolete.", ONE_UP),
        "superseded_by": "Names of the shards that took its place; left out where there are none.",
        "reason": "Why it is obsolete; left out where it is not.",
        "withdrawn": WITHDRAWN_MEMBERS,
    },
    "PublishedFile": {
        "path": ("Path below the folder of release.json.", SITE_PATH),
        "size": "Bytes.",
        "sha256": ("SHA-256.", HEX64),
    },
    "Withdrawal": {
        "id": "The record's id.",
        "reason": "Why, in the archivist's words.",
        "date": ("Since when.", DATE),
        "since": ("Serial of the release that first said so; left out where 1.", ONE_UP),
        "shards": "Names of the shards that hold a file of it; left out where none does.",
        "title": "Of the record; left out where it is not told.",
        "artist": "Likewise.",
        "files": "The contents that were withdrawn, all versions; left out where redacted, or where there are none.",
        "lifted": ("Serial of the release that lifted it; left out while it is in force.", ONE_UP),
    },
    "FileDigest": {
        "size": ("Bytes; an empty file is no content, so from 1.", ONE_UP),
        "sha256": ("SHA-256.", HEX64),
    },
    "ListedTorrent": {
        "url": "Of NAME.torrent; relative to the release's folder where no base_url is told.",
        "top_level_group_name": ("The collection's name.", SLUG),
        "group_name": ("The phase's name.", SLUG),
        "display_name": "NAME.torrent.",
        "added_to_torrents_list_at": (
            "Day the shard was first listed.",
            {"pattern": "^[0-9]{4}-[01][0-9]-[0-3][0-9]$"},
        ),
        "is_metadata": "Whether it holds the catalogue itself.",
        "btih": ("What trackers and the DHT know it by: infohash v1, else the first 20 bytes of infohash v2.", HEX40),
        "magnet_link": ("Its magnet link.", MAGNET),
        "torrent_size": "Bytes of NAME.torrent.",
        "num_files": ("1 for a tar; for a folder its files, without pad files.", ONE_UP),
        "data_size": ("Bytes of the tar, or of those files.", ONE_UP),
        "obsolete": "Whether a later shard takes its place.",
        "embargo": "Always false: what is listed is open.",
        "seeders": "Peers that have all of it, as trackers counted them; null where that is not known.",
        "leechers": "Peers that have not; null likewise.",
        "completed": "How often it was fetched in full; null likewise.",
        "stats_scraped_at": ("When they were counted; null where they never were.", DATE),
    },
    "Issue": {
        "where": "The path, record, shard, byte, line or field, or empty for the file as such; fit for a terminal.",
        "what": "What is wrong there, or why it was left out; fit for a terminal.",
    },
    "ScanReport": {
        "files": "Files in the source.",
        "bytes": "Their bytes.",
        "records": "Rows of the catalogue, with and without a file.",
        "without_file_count": "Rows without a file.",
        "tags_read": "Files whose tags were read now; the others had not changed.",
        "kinds": "Rows of each kind.",
        "warning_count": "All warnings; .packager/warnings.jsonl has each.",
        "unread_count": "All files and folders that could not be read; .packager/unread.jsonl names each.",
        "unread": "The first 1000 of them; the exit code is 3 where there are any.",
        "warnings": "The first 1000 of them.",
        "changed": "Whether the catalogue is other than it was.",
    },
    "PlanReport": {
        "plan": "The plan.",
        "changed": "Whether it was made anew.",
        "warnings": "Phases whose torrents have more files, or larger .torrents, than common clients take with ease.",
        "unread_count": "Files and folders that the scan could not read: no new shard has them.",
    },
    "Plan": {
        "format": ("Version of the plan's form.", FORMAT),
        "collection": ("The collection's name.", SLUG),
        "date": ("The torrents' creation date.", DATE),
        "catalogue": ("SHA-256 of the catalogue that was planned.", HEX64),
        "options": ("SHA-256 of the config that decides the plan.", HEX64),
        "without_phase": "Files that no phase took.",
        "records": "Records of the catalogue, without those that are withdrawn.",
        "phases": "In the config's order; then those that are published and not in the config any more.",
        "superseded": "Published shards that are obsolete once this plan is published.",
        "kept": "Published records that stay in their shards.",
        "changed": "Published records whose file is another now: they are planned again.",
        "removed": "Of those kept, records that the catalogue has no file of any more.",
        "sources_gone": "Names of published shards that have no tar here, and of whose files one is gone or changed.",
        "withdrawals": ("SHA-256 of what was withdrawn.", HEX64),
        "moved": "Of those kept, files that moved since the plan before.",
        "withdrawn_files": "Files that are left out, because they have the content of a withdrawn record.",
        "withdrawn_named": "The first of them.",
        "closed": "When each phase opens that is under embargo, by its name.",
        "other_content": OTHER_CONTENT,
        "taken_before": "Records that an earlier phase takes from one under embargo. Left out where there are none.",
        "selected": "Records that the where of each phase without shards selects; left out where none selects any.",
    },
    "TakenBefore": {
        "phase": "Name of the phase under embargo.",
        "by": "Name of the earlier phase that publishes the records sooner.",
        "records": "How many.",
        "opens": ("When that phase opens; null if it is open.", DATE),
    },
    "WithdrawnFile": {
        "path": "Of the file at the source.",
        "record": "Id of the withdrawn record that has its content, or its id.",
    },
    "OtherContent": {
        "files": "How many.",
        "named": "The first of them.",
    },
    "OverBudget": {
        "phase": "Name of the later phase that has these files; null if they wait.",
        "files": "How many.",
        "payload": "Their bytes.",
        "opens": ("When that phase opens; null if it is open.", DATE),
    },
    "Withdrawals": {
        "format": ("Version of the formats.", FORMAT),
        "type": "What this document is.",
        "records": "Records that the archivist took back.",
        "shards": "Shards that the archivist wants replaced.",
    },
    "WithdrawnRecord": {
        "id": "The record's id.",
        "reason": "Why, as the release tells it.",
        "date": ("When it was noted.", DATE),
        "supersede": "Whether the shards that hold it are replaced; left out where false.",
        "redact": "Whether no tag of it is told; left out where false.",
        "title": "Of the record, as the release tells it; left out where it is not told.",
        "artist": "Likewise.",
        "files": "The contents of its published files, also when redacted; left out where there are none.",
        "shards": "The published shards that hold it; left out where there are none.",
        "lifted": ("Serial of the release that lifts it; left out while it is in force.", ONE_UP),
    },
    "SupersededShard": {
        "name": ("The shard's name.", SHARD),
        "reason": "Why, as the release tells it.",
        "date": ("When it was noted.", DATE),
    },
    "FoundRecord": {
        "id": "The record's id.",
        "path": "Of its file at the source; null where it has none.",
        "title": "Of the record, or empty.",
        "artist": "Likewise.",
        "shards": "Names of the published shards that hold a file of it, obsolete ones too.",
    },
    "WithdrawReport": {
        "records": "The records that are meant.",
        "new": "How many of them were neither noted before nor published as withdrawn.",
        "shards": "Names of the shards that hold them and are not obsolete.",
        "size": "Bytes of those shards.",
        "supersede": "Whether those shards are to be replaced.",
        "to_delete": TO_DELETE_LATER,
        "dry_run": "Whether nothing was saved.",
        "same_content": "Ids of those of the records that were not named, and have the same content as one that was.",
        "unread": "Files whose content could not be read, so that copies of them would not be noticed.",
    },
    "SupersedeReport": {
        "shards": "Names of the shards that are to be replaced.",
        "members": "Their members.",
        "size": "Their bytes.",
        "to_delete": TO_DELETE_LATER,
        "dry_run": "Whether nothing was saved.",
    },
    "PruneItem": {
        "path": "The file, or the folder of a shard that is kept as files.",
        "size": "Its bytes on the disk.",
        "reason": "Why nobody should share it any more.",
    },
    "PruneReport": {
        "files": "The files that were deleted, or would be.",
        "size": "Their bytes.",
        "deleted": "Whether they were deleted; not in a dry run.",
        "kept": "Files with such a name that are not ours, and stay.",
    },
    "Withheld": {
        "name": "The shard's name.",
        "cause": "Why it is not handed out, in one word.",
        "reason": "The same in words.",
        "fix": "What to do; empty where nothing.",
        "partly": "Whether bytes of its members that are not withdrawn may be handed out.",
    },
    "Superseded": {
        "name": ("The obsolete shard.", SHARD),
        "by": "Names of the shards that its members go to.",
        "reason": "Why.",
    },
    "PlannedPhase": {
        **PHASE_FACTS,
        "over_budget": "Files that exceed its budget.",
        "overflow": "Where those go, phase by phase.",
        "shards": "In order.",
    },
    "PlannedShard": {
        **{key: SHARD_FACTS[key] for key in ("name", "phase", "number", "payload", "size", "piece_length")},
        "container": "How the bag will be kept: a tar, or files in a folder.",
        "first_row": "Its first row in the table of planned members, from 0.",
        "rows": "Its members.",
        "oversize": "Whether its one member is larger than shards.size allows.",
        "bag_info": "The text of bag-info.txt.",
        "torrent_size": "Bytes of its .torrent.",
        "fingerprint": (
            "SHA-256 over what the catalogue knows of its members; empty for a published shard.",
            {"pattern": "^([0-9a-f]{64})?$"},
        ),
        "published": "Whether it was published before this plan was made.",
    },
    "PackReport": {
        "packed": "Shards packed now.",
        "unchanged": "Shards that were whole already.",
        "not_local": "Of those, published shards whose tars are not in the shards' folder.",
        "virtual": "Of all shards that are whole now, those without a tar: packed with --virtual.",
        "read_bytes": "Bytes of the tars that were written now.",
        "seconds": "How long it took.",
        "failed": "Shards that could not be packed, and why; the exit code is 3 where there are any.",
        "retried_tasks": "On a cluster: tasks begun again by another worker, because one died, hung or could not.",
        "withdrawn_files": "Files that the plan left out, because they have the content of a withdrawn record.",
        "withdrawn_named": "The first of them.",
        "other_content": OTHER_CONTENT,
    },
    "MaterialiseReport": {
        "written": "Tars written now.",
        "unchanged": "Tars that were there already.",
        "written_bytes": "Bytes of those that were written.",
        "seconds": "How long it took.",
        "failed": "Shards whose tar could not be written, and why; the exit code is 3 where there are any.",
        "retried_tasks": "On a cluster: tasks begun again by another worker, because one died, hung or could not.",
    },
    "PublishReport": {
        "serial": ("Of the release.", ONE_UP),
        "changed": "Whether the site was put in place anew.",
        "date": ("Of the release.", DATE),
        "index_page": "Path of index.html.",
        "phases": "The timeline.",
        "shards": "Published shards.",
        "size": "Bytes of their tars.",
        "files": "Files of the site.",
        "unread_count": "Files and folders that the scan could not read, as the release says.",
        "withheld": "Shards that no list, feed or page offers, and why.",
        "seed_counts": "With --scrape: what the trackers said of seed counts; null without.",
        "missing": "What readers of the release will miss.",
        "upload": "With --to: what was brought to the store; null without.",
    },
    "MissingForReaders": {
        "what": "What is not there.",
        "means": "What that means for readers.",
        "key": "The key of packager.toml to set.",
    },
    "UploadReport": {
        "to": "The store's address.",
        "uploaded": "Files that were sent.",
        "uploaded_bytes": "Bytes of those.",
        "unchanged": "Files that were there already, as they were left.",
        "removed": "Files deleted: the release has them no more, and their time of grace is over.",
        "pending_removal": "Files that the release has no more, and whose time of grace is not over.",
        "missing_shards": "With --with-shards: shards that are not obsolete and whose tar does not lie here.",
        "withheld": "Shards whose tars are not handed out: not sent, and deleted if they were there.",
        "aborted_uploads": "Uploads by parts that a killed run left, taken back.",
        "seconds": "How long it took.",
    },
    "ScrapeReport": {
        "counted": "Shards of which a tracker told the seeders now; the others keep what was counted last.",
        "shards": "Shards of the release.",
        "seconds": "How long it took.",
        "trackers": "Each tracker that was asked.",
    },
    "TrackerAnswer": {
        "tracker": "Its announce URL, control characters made visible.",
        "asked": "Swarms that it was asked for; a hybrid torrent has two.",
        "answered": "Swarms that it answered for.",
        "seconds": "How long it took.",
        "error": "Why it answered for no more; empty where it answered for all.",
    },
    "ReleaseReport": {
        "scan": "As packager scan reports.",
        "plan": "As packager plan reports.",
        "pack": "As packager pack reports.",
        "publish": "As packager publish reports.",
    },
    "StatusReport": {
        "scanned": "Whether there is a catalogue.",
        "records": "Its rows.",
        "planned": "Whether there is a plan.",
        "phases": "How far each phase is.",
        "remaining_bytes": "Bytes still to pack.",
        "remaining_seconds": "How long that may take at the rate so far; null where nothing was packed yet.",
        "serial": "Of the last release; null where there is none.",
        "next": "The command that goes on, or empty where all is done.",
        "unknown_tars": "Tars in shards.directory that the plan does not know.",
        "to_delete": "Files there that nobody should share any more; packager prune deletes them.",
        "unread_count": "Files and folders that the last scan could not read; .packager/unread.jsonl names each.",
        "unread": "The first 1000 of them.",
    },
    "StatusPhase": {
        "name": ("The phase's name.", SLUG),
        "title": "What people read.",
        "state": STATE,
        "shards": "Planned shards.",
        "packed": "Those that are whole.",
        "virtual": "Of these, shards without a tar: packed with --virtual.",
        "published": "Shards that the last release lists.",
        "first_published": ("Date of its first published shard; null where there is none.", DATE),
        "last_published": ("Date of its newest published shard; null where there is none.", DATE),
        "embargo": ("Date before which it stays closed; null where there is none.", DATE),
        "size": "Bytes of its tars.",
        "remaining_bytes": "Bytes still to pack.",
    },
}
TOLD |= {
    "VerifyReport": {
        "mode": "What was done: every byte read, presence and sizes alone, or a sample.",
        "ok": "Whether no fault was found, and all documents could be used.",
        "complete": "Whether all that was to be read was read; the exit code is 3 where not, and no fault was found.",
        "targets": "What was checked; with a state file, what was proved longest ago comes first.",
        "faults": "Every fault, subject by subject; the exit code is 1 where there are any.",
        "size": "Bytes that all subjects should have.",
        "read_bytes": "Bytes read now.",
        "verified_earlier_bytes": "Bytes that were not read again, since the state file says they were proved.",
        "seconds": "How long it took.",
        "sample": "Of mode sample: which part was read, and what it proves; null otherwise.",
        "retried_tasks": "On a cluster: tasks begun again by another worker, because one died, hung or could not.",
    },
    "VerifiedTarget": {
        "path": "Where it is, fit to be shown.",
        "kind": "A shard's tar, a bag, a shard's loose files, a torrent's data, or what a file of digests lists.",
        "checked_against": "The manifest or .torrent that says how it should be, or a bag's manifests; empty: nothing.",
        "size": "Bytes that it should have; of files whose size nothing says, those that they have.",
        "pieces": "Pieces that it has to be checked by.",
        "files": "Files that are checked whole.",
        "faults": "How many of the faults are its own.",
        "complete": "Whether all that was to be read of it was read.",
        "error": "Why its documents could not be used; empty where they could.",
        "evidence": "How far `checked_against` can be trusted; null: nothing says it.",
    },
    "Evidence": {
        "kind": "signature: a release that `key` signed; release: one whose signature was not checked; manifest: a"
        " shard's documents alone; torrent; list: of digests; bag: a bag's own manifests;"
        " magnet: a link that names a member; transport: what the release's address sent, unchecked.",
        "name": "The release, the file, or the names of the bag's manifests.",
        "serial": "The release's serial; left out where there is no release.",
        "collection": "The release's collection; left out where there is no release.",
        "key": "The id of the key that signed the release; left out where its signature was not checked.",
    },
    "Fault": {
        "kind": "bad: read, and not as published; missing; short; long; extra: nothing published knows it; unreadable.",
        "path": "The file, or the folder of a v1 torrent of several files. Where it is not UTF-8, approximate.",
        "path_b64": "The exact path in base64, where it is not UTF-8.",
        "detail": "More about it, for people.",
        "start": "First byte concerned, counted from 0; left out where it is the whole file.",
        "stop": "The byte after the last one concerned.",
        "first_piece": "First piece concerned, counted from 0; left out where there are no pieces.",
        "last_piece": "Last piece concerned.",
        "members": "Members that these pieces touch, by path; a torrent's files.",
        "tag_files": "Files of the bag itself that these pieces touch.",
    },
    "Sample": {
        "random_seed": "What --seed takes to read the same sample again.",
        "sampled": "Pieces and files that were to be read.",
        "total": "All pieces and files.",
        "unit": "piece, file, or piece or file.",
        "confidence": "That of what the sample proves.",
        "fewer_bad_than": "With that confidence fewer are bad; null where it proves nothing.",
        "conclusion": "The same in a sentence.",
    },
    "Inspection": {
        "file": "The file, or the link, as it was given; control characters made visible.",
        "kind": "What it is, by its first bytes or its name.",
        "size": "Bytes of it.",
        "facts": "What it says; null where a fault left nothing to be read.",
        "fault_count": "All faults; the exit code is 1 where there are any.",
        "faults": "The first 1000 of them.",
        "remarks": "What is wrong, but is ignored by readers: the first 1000. The exit code does not count them.",
    },
    "TorrentFacts": {
        "type": "What the facts are of.",
        "name": "The torrent's name.",
        "version": "v1 (BEP 3), v2 (BEP 52) or both.",
        "infohash_v1": "Infohash of BEP 3; null in v2.",
        "infohash_v2": "Infohash of BEP 52; null in v1.",
        "size": "Bytes of its files.",
        "padding": "Bytes of the pad files between them.",
        "piece_length": "Bytes of a piece.",
        "pieces": "Its pieces.",
        "file_count": "Its files, pad files not counted.",
        "files": "The first 1000 of them.",
        "trackers": "Announce URLs, tier by tier.",
        "web_seeds": "URLs.",
        "private": "Whether clients may use its trackers alone (BEP 27).",
        "created": "Its creation date; null where there is none.",
        "comment": "Its comment; null where there is none.",
        "clients": "Clients that have trouble with it.",
    },
    "NamedFile": {
        "path": "Its path, the torrent's name first.",
        "size": "Bytes.",
        "path_b64": "The exact path in base64; left out where it is UTF-8.",
    },
    "ClientTrouble": {
        "client": "The client.",
        "version": "The version in which it was seen.",
        "refuses": "Whether it refuses the torrent; else it takes it and goes wrong.",
        "reason": "What happens.",
        "tried": "Whether we saw it ourselves; else its authors say so.",
    },
    "MagnetsFacts": {
        "type": "What the facts are of.",
        "count": "Links, those that are none counted too.",
        "magnets": "The first 1000 links.",
    },
    "MagnetFacts": {
        "version": "Of its infohashes.",
        "infohash_v1": "Infohash of BEP 3; null where it has none.",
        "infohash_v2": "Infohash of BEP 52; null where it has none.",
        "name": "The name it gives; null where there is none.",
        "size": "The bytes it says; null where it says none.",
        "trackers": "URLs.",
        "web_seeds": "URLs.",
        "peers": "Addresses, host:port.",
        "selected": "Ranges of file numbers (BEP 53); empty for all.",
        "clients": "Clients that have trouble with it.",
    },
    "TarFacts": {
        "type": "What the facts are of.",
        "entry_count": "Its entries.",
        "payload": "Bytes of their data.",
        "bag": "The bag it holds; null where it holds none.",
        "deterministic": "Whether every byte but the files' own is what a shard would have.",
        "departures": "Why not; the first ten.",
        "entries": "The first 1000 entries.",
    },
    "BagFacts": {
        "name": "The bag's folder.",
        "payload_files": "Files below data/.",
        "payload": "Their bytes.",
        "tag_files": "The first 1000 other files.",
    },
    "TarEntry": {
        "path": "Its path.",
        "type": "file, folder, symbolic link ...",
        "offset": "Where its data begin, in bytes.",
        "size": "Bytes of its data.",
        "bag": "What it is in the bag; left out where it is none of it.",
        "link": "Where a link leads; left out of what is no link.",
        "path_b64": "The exact path in base64; left out where it is UTF-8.",
    },
    "ManifestFacts": {"type": "What the facts are of.", "manifest": "The manifest, as it stands."},
    "ObsoleteFacts": {
        "name": ("The shard's name.", SHARD),
        "since": "Serial of the release that said so.",
        "by": "Names of the shards that took its place.",
        "reason": "Why.",
    },
    "ReleaseFacts": {
        "type": "What the facts are of.",
        "sha256": "SHA-256 of the document, which the next release names as `previous`.",
        "serial": "Its serial.",
        "date": "Its date.",
        "previous": "SHA-256 of the release before it; null in serial 1.",
        "collection": "What is released.",
        "base_url": "Where the release's folder is on the web, or empty.",
        "catalogue_records": "Records of the whole catalogue.",
        "phases": "The first 1000 phases.",
        "chain": "How many releases before it lie in releases/ and follow from one another, back from it.",
        "shards": "Shards that are not obsolete.",
        "obsolete_count": "Shards that are.",
        "obsolete": "The first 1000 of these.",
        "members": "Members of the shards that are not.",
        "payload": "Bytes of those.",
        "size": "Bytes of the tars.",
        "withdrawal_count": "Records that were taken back.",
        "withdrawals": "The first 1000 of them.",
        "withheld_count": "Shards that must not be handed out.",
        "withheld": "The first 1000 of them, and why.",
    },
    "MembersFacts": {
        "type": "What the facts are of.",
        "rows": "Members.",
        "row_groups": "Row groups of the file.",
        "payload": "Bytes of the members.",
        "kinds": "Members of each kind.",
        "columns": "The table's columns.",
    },
    "CatalogueFacts": {
        "type": "What the facts are of.",
        "records": "Records: lines, or rows.",
        "frames": "Frames of zstd, each of which can be read alone; not of Parquet.",
        "unpacked": "Bytes of the lines; not of Parquet.",
        "row_groups": "Row groups of Parquet; not of lines.",
    },
    "SignatureFacts": {
        "type": "What the facts are of.",
        "key": "Id of the key that it says made it.",
        "prehashed": "Whether it is over the BLAKE2b-512 of the file; else over the file itself.",
        "trusted_comment": "What was signed beside the file.",
    },
    "KeyFacts": {
        "type": "What the facts are of.",
        "key": "The key's id.",
        "line": "The key in one line, for minisign -P.",
    },
}
TOLD |= {
    "ExtractReport": {
        "shard": "The tar's path.",
        "to": "The folder that files go to.",
        "dry_run": "Whether it was only told what would be written.",
        "selected": "Members that were asked for.",
        "bytes": "Their bytes.",
        "written": "Files written now.",
        "unchanged": "Files that stood there, whole.",
        "bad_members": "Members that are not as published; none of them is written. Then the exit code is 1.",
        "blocked": "Members whose name another file has; the exit code is 3 where there are any.",
        "renamed": "Members that could not have the name that was asked for, and were written under another.",
        "has_documents": "Whether published documents were found; else the tar was held against its own manifest.",
        "files": "Of a dry run: what would be written.",
        "unreachable": "Whether a store did not answer: the same command may do more later.",
        "evidence": "What says how the members should be; null: the tar's own manifest.",
    },
    "GetReport": {
        "release": "The release's address or folder; empty for magnet links.",
        "to": "The folder that files go to.",
        "dry_run": "Whether it was only told what would be written; so it is with --magnet.",
        "evidence": "What says how the members should be.",
        "selected": "Members that were asked for.",
        "bytes": "Their bytes.",
        "written": "Files written now.",
        "unchanged": "Files that stood there, whole.",
        "bad_members": "Members that no source has as published; none of them is written. Then the exit code is 1,"
        " or 3 if a source may answer later.",
        "blocked": "Members whose name another file has; the exit code is 3 where there are any.",
        "renamed": "Members that could not have the name that was asked for, and were written under another.",
        "files": "The file that each member becomes.",
        "shards": "The shards that hold them.",
        "lookup_requests": "Requests, or files of a folder opened, to find the members: index, tables, documents.",
        "lookup_bytes": "Bytes that those gave.",
        "transferred_bytes": "Bytes over the network of the members, or of the pieces that hold them.",
        "shards_size": "Bytes of the shards that hold them.",
        "unreachable": "Whether a source did not answer, or none is known: the same command may do more later.",
        "magnets": "A magnet link that names each member, in their order.",
        "withheld": "Shards to which no link is handed out, and why.",
    },
    "ShardTransfer": {
        "name": "Its tar's file name.",
        "size": "Bytes of the tar.",
        "members": "Its members that were asked for.",
        "bytes": "Their bytes.",
        "transferred_bytes": "Bytes over the network of them, or of the pieces that hold them.",
    },
    "Lookup": {
        "format": ("Version of the formats.", FORMAT),
        "type": "What this document is.",
        "collection": ("The collection's name.", SLUG),
        "serial": ("Of the release that the index belongs to.", ONE_UP),
        "keys": "Slots that hold something.",
        "buckets": ("Buckets of the index.", ONE_UP),
        "slots": ("Slots of a bucket, 12 bytes each.", ONE_UP),
        "part_buckets": ("Buckets of each part but the last.", ONE_UP),
        "parts": "The files that hold the buckets, in order.",
        "phases": "Names of phases: a slot tells one by its place here, from 0.",
        "trackers": "Trackers of the shards' torrents.",
        "web_seeds": "Web seeds of the shards' torrents.",
        "extensions": EXTENSIONS,
    },
    "MemberIssue": {
        "id": "Its record's id.",
        "path": "Its path in the shard.",
        "reason": "What is to be said of it.",
    },
    "ExtractedFile": {
        "id": "Its record's id.",
        "member": "Its path in the shard.",
        "path": "The file's path below the folder it goes to. Where it is not UTF-8, approximate.",
        "path_b64": "The exact path in base64, where it is not UTF-8; else null.",
        "size": "Bytes.",
    },
    "RebuildReport": {
        "shard": "The shard's name.",
        "out": "The path of the tar.",
        "size": "Bytes of the tar.",
        "members": "Its members.",
        "complete": "Whether it is there, right in every piece; if not, nothing was written and the exit code is 3.",
        "unchanged": "Whether it stood there before.",
        "found_by_path": "Members found where their path says.",
        "found_by_content": "Members found by size and SHA-256, under other names.",
        "fetched": "Members that no folder has, and that were fetched.",
        "fetched_bytes": "Their bytes.",
        "seconds": "How long it took.",
        "missing": "Members that were not found.",
        "evidence": "What says how the shard should be.",
    },
    "MissingMember": {
        "id": "Its record's id.",
        "path": "Its path in the shard.",
        "size": "Bytes that it should have.",
        "sha256": ("SHA-256 that it should have.", HEX64),
        "reason": "What was found in its place, and why that is not it.",
    },
    "RepairReport": {
        "shard": "The tar's path.",
        "size": "Bytes that it should have.",
        "piece_length": "Bytes of a piece: the least that is fetched.",
        "pieces": "Pieces of the shard.",
        "checked": "Pieces that were read before anything was repaired.",
        "bad_pieces": "Pieces that were bad.",
        "bad_bytes": "Their bytes.",
        "repaired": "Pieces that are right now, read back from the disk.",
        "repaired_bytes": "Their bytes.",
        "excess_bytes": "Bytes that stood past the shard's end.",
        "truncated": "Whether they were cut off.",
        "missing_files": "Files without bytes that were missing, so that no piece tells of them: the first 1000.",
        "missing_file_count": "How many there were.",
        "created_files": "How many of them were created.",
        "extra_files": "Files in a shard's folder that are not in the shard, and that stay there: the first 1000.",
        "extra_file_count": "How many there are.",
        "complete": "Whether nothing is left to repair; with --report, of the pieces that were looked at.",
        "unreachable": "Whether something is left and a source did not answer: the exit code is then 3, else 1.",
        "dry_run": "Whether it was only told what is bad.",
        "seconds": "How long it took.",
        "data_sources": "What each source gave, in the order in which they were asked.",
        "unrepaired_pieces": "Pieces that stay bad.",
        "unrepaired": "The first 1000 ranges of them.",
        "evidence": "What says how the shard should be.",
    },
    "DataSourceUse": {
        "name": "A path, an address, or what else it is called.",
        "pieces": "Pieces repaired from it.",
        "bytes": "Bytes read from it, right or not.",
    },
    "UnrepairedPieces": {
        "first": "The first piece, counted from 0.",
        "last": "The last one.",
        "start": "Their first byte in the tar, counted from 0.",
        "stop": "The byte after their last one.",
        "reasons": "What each source that was asked said.",
        "members": "Members that they touch, by path; empty where only the .torrent is known.",
        "tag_files": "Files of the bag itself that they touch.",
    },
    "ServeReport": {
        "url": "Where requests came in.",
        "seconds": "How long it served.",
        "requests": "Requests that were answered.",
        "ranges": "Byte ranges sent.",
        "sent_bytes": "Bytes of files sent.",
        "errors": "Answers that were refused or cut: a source was not what it was, a client stalled or left.",
    },
    "SeedReport": {
        "seconds": "How long it was shared.",
        "port": "The port that peers came to.",
        "uploaded": "Bytes sent.",
        "peers": "The most that were there at once.",
        "torrents": "Each torrent that was shared to the end.",
        "refused": "Tars that were not shared, and why; the exit code is 1 where there are any.",
        "withheld": "Shards that were not shared, or no longer from some time on, and why.",
        "client": "With --client: the program that they were given to, and its version; null without.",
        "added": "With --client: the tars that it shares.",
    },
    "AddedTar": {
        "name": "The tar's file name.",
        "state": "added: in this run, read in full and found right; present: the client had it, it was not read again.",
        "evidence": "What says how the tar should be.",
    },
    "SeededTorrent": {
        "name": "The tar's file name.",
        "version": "v1, v2, or hybrid: both.",
        "state": "How it ended: incomplete is not whole, and nothing of it was shared.",
        "verified": "Whether packager read it in full in this run; else libtorrent did.",
        "evidence": "What says how the tar should be.",
        "uploaded": "Bytes of the tar sent.",
        "error": "Why it failed, or empty.",
    },
    "EstimateReport": {
        "basis": (
            "What it is made from: a plan, whose shards are exact; a catalogue; or two numbers.",
            {"enum": ["plan", "catalogue", "description"]},
        ),
        "records": "Rows of the catalogue.",
        "files": "Files that are released.",
        "payload": "Bytes of them.",
        "shards": "How many shards.",
        "size": "Bytes of all tars.",
        "piece_length": "Bytes of a piece of the largest shard.",
        "torrent_size": "Bytes of the largest shard's .torrent.",
        "torrents": "Bytes of all .torrents.",
        "tables": "Bytes of all members tables, roughly.",
        "pages": "Bytes of pages, lists and documents, roughly.",
        "site": "Bytes of the site: torrents, tables and pages.",
        "rate": "Bytes a second that one core hashes in all the ways asked for.",
        "workers": "How many cores hash.",
        "hash_seconds": "Seconds that they hash, where network and disks keep up.",
        "moved": "Bytes that packing reads and writes; of virtual shards half of them.",
        "line_seconds": "Seconds that they take through one line of 10 Gbit/s.",
        "disk_seconds": "Seconds that they take by disks that read and write 1 GB/s together.",
        "upload_mbit": "Megabits a second that can be sent.",
        "copies": "How often all is sent.",
        "upload_seconds": "Seconds that it takes.",
        "disk": "Bytes that a disk holds.",
        "price": "Money that a TB of disk costs.",
        "stores": "What the release takes beside the collection, with tars and without.",
        "budget": "Bytes that the catalogue was asked to fit into; null where it was not asked.",
        "fits": "What of the catalogue fits the budget, in each order.",
    },
    "EstimatedStore": {
        "way": (
            "`materialised`: with tars; `virtual`: the tars' bytes are those of the collection.",
            {"enum": ["materialised", "virtual"]},
        ),
        "size": "Bytes.",
        "disks": "Disks that they fill.",
        "price": "Money for the bytes.",
    },
    "EstimatedFit": {
        "order": ("What goes first.", {"enum": ["earliest years first", "most popular first"]}),
        "files": "Files that fit.",
        "size": "Their bytes.",
        "until": "The last year or popularity that fits; null where it is known of no file that does.",
        "unknown": "Files among them of which it is not known; they come last.",
    },
    "TorrentReport": {
        "torrent": "The path of the .torrent.",
        "name": "The torrent's name: what clients save to.",
        "version": "v1, v2, or hybrid: both.",
        "files": "Its files, without pad files.",
        "size": "Bytes of its files, without pad files.",
        "piece_length": ("Bytes of a piece, a power of two.", PIECE),
        "pieces": "Its pieces; those of a hybrid are of its files and pad files.",
        "torrent_size": "Bytes of the .torrent.",
        "infohash_v1": ("Infohash of BEP 3; null in a v2-only torrent.", HEX40),
        "infohash_v2": ("Infohash of BEP 52; null in a v1-only torrent.", HEX64),
        "magnet": ("The magnet link.", MAGNET),
        "skipped": "What of the folder is no regular file, and was left out: links, sockets, devices.",
        "seconds": "How long it took.",
    },
}
ERROR = {
    "$schema": DRAFT,
    "title": "Error",
    "description": "One line on stderr where a command with --json fails; nothing is on stdout then.",
    "type": "object",
    "required": ["code", "where", "what", "fix"],
    "properties": {
        "code": {"enum": [2, 3], "description": "The exit code."},
        "where": {"type": "string", "description": "The file, key, shard or record."},
        "what": {"type": "string", "description": "What is wrong there."},
        "fix": {"type": "string", "description": "How to fix it, or empty."},
    },
}
TOLD |= {
    "MirrorReport": {
        "plan": "What is to be held.",
        "applied": "False for a dry run, and where the plan was declined: nothing was written.",
        "warnings": "What its owner should know of the release.",
        "stopped": "Withheld shards that the client had and was told to stop.",
        "client": "builtin, none, or the client's address.",
        "added": "Shards that the client was given now.",
        "refused": "Shards that the client would not take, and why; the exit code is 1 where there are any.",
        "fetched": "What the built-in client did; null where it was not asked.",
        "complete": "Whether every chosen shard is here and checked, or in the client's hands.",
    },
    "MirrorPlan": {
        "collection": ("The collection's name.", SLUG),
        "serial": ("Of the release.", ONE_UP),
        "date": ("Of the release.", DATE),
        "key": ("minisign public key that was pinned first; null where the release is not signed.", KEY),
        "evidence": "What vouches for the release.",
        "strategy": "By which shards are chosen.",
        "budget": "Bytes that the tars may take.",
        "chosen": "Shards to hold: those here already, then the others, best first.",
        "size": "Bytes of their tars.",
        "documents": "Bytes of their torrents, manifests and tables, which count in the budget, too.",
        "download_size": "Of these, bytes of the tars that are not here in full.",
        "free_space": "Bytes free on the disk.",
        "reserve": "Bytes of these that stay free.",
        "left_out": "Shards that were not taken, and why.",
        "removable": "Tars here that nobody need hold.",
        "obsolete": "Names of shards that are obsolete now and were not in the release that was held.",
        "withdrawn": "Records that were taken back since that release.",
        "counted_by": "Where the seed counts come from that were chosen by.",
        "changed": "Settings that are others than those that were kept.",
    },
    "ChangedSetting": {
        "name": "The setting's name.",
        "before": "What was kept; sizes in bytes, times in seconds.",
        "now": "What this run asks for.",
    },
    "WithdrawnLocally": {
        "id": "The record's id.",
        "reason": "Why, in the publisher's words.",
        "date": ("Since when.", DATE),
        "local_tars": "Names of shards that hold a file of it and lie here.",
    },
    "SeedCountSource": {
        "source": "The release's torrents.json, its trackers, the DHT (peers, seeds or not), or nobody.",
        "counted_at": "When they were counted, of torrents.json as that says it; null where nobody tells.",
        "known": "Shards of which they tell.",
        "total": "Shards that are not obsolete.",
        "trackers": "Each tracker that was asked now.",
    },
    "PlannedDownload": {
        "name": ("The shard's name.", SHARD),
        "phase": ("Its phase.", SLUG),
        "size": "Bytes of its tar.",
        "on_disk": "How much is here. complete: it has its size, and was verified or has a right piece;"
        " unchecked: it has its size, and no torrent is here to compare it with; blocked: another file has its name.",
        "reason": "Why it is chosen.",
    },
    "Removable": {
        "name": ("The shard's name.", SHARD),
        "size": "Bytes that are here.",
        "reason": "Why it is not among the chosen.",
        "ended": "Whether it should be deleted: it was replaced, or must not be handed out.",
        "prune": "Whether packager mirror prune deletes it: it should be, and this mirror fetched it.",
    },
    "FetchReport": {
        "seconds": "How long it ran.",
        "port": "That peers reached it at.",
        "downloaded": "Bytes received.",
        "uploaded": "Bytes sent.",
        "peers": "The most that were connected at once.",
        "complete": "Shards that are whole and checked.",
        "shards": "Each chosen shard, by name.",
    },
    "FetchedShard": {
        "name": ("The shard's name.", SHARD),
        "state": "How it stood at the end.",
        "progress": "Of its bytes that are here and right, 0 to 1.",
        "uploaded": "Bytes of it sent in this run.",
        "error": "Why it failed; empty where it did not.",
    },
    "MirrorStatus": {
        "release": "Where the release is followed: an address or a folder.",
        "collection": ("The collection's name.", SLUG),
        "serial": ("Of the release accepted last.", ONE_UP),
        "date": ("Of that release.", DATE),
        "key": ("minisign public key that was pinned first; null where the release is not signed.", KEY),
        "evidence": "What vouches for the release.",
        "budget": "Bytes that the tars may take.",
        "client": "builtin, none, or the client's address.",
        "reachable": "Whether the client could be asked.",
        "shards": "Those that are chosen or lie here.",
        "complete_size": "Bytes of the tars that are here in full.",
        "removable": "Tars here that are not among the chosen.",
        "warnings": "What its owner should know.",
        "health": "Healthy, or the worst of: damaged (exit code 1), incomplete, old (exit code 3).",
    },
    "MirrorShard": {
        "name": ("The shard's name.", SHARD),
        "size": "Bytes of its tar.",
        "chosen": "Whether it is to be held.",
        "on_disk": "How much is here. complete: it has its size, and was verified or has a right piece;"
        " unchecked: it has its size, and no torrent is here to compare it with; blocked: another file has its name.",
        "obsolete": "Whether nobody need hold it any more.",
        "withheld": "Why it must not be handed out; null where it may be.",
        "verified": ("When every byte was last found right, if it did not change since; else null.", DATE),
        "progress": "What the client has of it, 0 to 1; null where it cannot be asked.",
        "seeding": "Whether the client shares it; null likewise.",
        "ratio": "Bytes sent for each of its bytes; null likewise.",
        "peers": "Peers connected now; null likewise.",
        "bad_pieces": "What --verify found in this run; null where it was not read.",
    },
}

# File -> (its type, whether it is a list of them, whether it may have fields that are not told here).
SCHEMAS: dict[str, tuple[Any, bool, bool]] = {
    "manifest": (model.Manifest, False, False),
    "release": (model.Release, False, False),
    "withdrawals": (withdrawn_records.Withdrawals, False, False),
    "torrents": (release_lists.ListedTorrent, True, True),
    "lookup": (lookup_index.Lookup, False, False),
    "reports/scan": (reports.ScanReport, False, True),
    "reports/plan": (reports.PlanReport, False, True),
    "reports/pack": (reports.PackReport, False, True),
    "reports/materialise": (reports.MaterialiseReport, False, True),
    "reports/publish": (reports.PublishReport, False, True),
    "reports/release": (reports.ReleaseReport, False, True),
    "reports/status": (reports.StatusReport, False, True),
    "reports/withdraw": (reports.WithdrawReport, False, True),
    "reports/supersede": (reports.SupersedeReport, False, True),
    "reports/prune": (reports.PruneReport, False, True),
    "reports/verify": (check_reports.VerifyReport, False, True),
    "reports/repair": (check_reports.RepairReport, False, True),
    "reports/rebuild": (check_reports.RebuildReport, False, True),
    "reports/extract": (check_reports.ExtractReport, False, True),
    "reports/get": (check_reports.GetReport, False, True),
    "reports/serve": (reports.ServeReport, False, True),
    "reports/seed": (reports.SeedReport, False, True),
    "reports/estimate": (estimates.EstimateReport, False, True),
    "reports/torrent": (reports.TorrentReport, False, True),
    "reports/inspect": (inspection.Inspection, False, True),
    "reports/mirror-follow": (mirror_reports.MirrorReport, False, True),
    "reports/mirror-status": (mirror_reports.MirrorStatus, False, True),
}
FOREIGN = {"reports/inspect"}  # hold what strangers wrote, whatever values that has


def schema(name: str) -> Rule:
    """Return one of SCHEMAS."""
    kind, is_list, is_open = SCHEMAS[name]
    made = msgspec.json.schema(kind)
    for title, shape in made["$defs"].items():
        _tell(title, shape, is_open=is_open, is_foreign=name in FOREIGN)
    head = {"$schema": DRAFT, "title": name.rpartition("/")[2]}
    body = {"type": "array", "items": {"$ref": made["$ref"]}} if is_list else {"$ref": made["$ref"]}
    return head | body | {"$defs": made["$defs"]}


def _tell(title: str, shape: Rule, *, is_open: bool, is_foreign: bool) -> None:
    """Put meaning and values of each field into a type's schema; of a stranger's, the meaning alone."""
    told = TOLD[title]
    if set(told) != set(shape["properties"]):
        raise SystemExit(f"{title}: told and had differ: {set(told) ^ set(shape['properties'])}")
    shape["additionalProperties"] = is_open
    for key, field in shape["properties"].items():
        line = told[key]
        text, rule = line if isinstance(line, tuple) else (line, {})
        shape["properties"][key] = {
            "description": text,
            **_field(field, {} if is_foreign else rule, is_left_out=key not in shape["required"]),
        }


def _field(field: Rule, rule: Rule, *, is_left_out: bool) -> Rule:
    """Return a field's schema with its rule; one that is left out where it has no value is never null."""
    if "anyOf" not in field:
        kept = {key: value for key, value in field.items() if key != "default"}
        return kept | ({"minimum": 0} if field.get("type") == "integer" else {}) | rule
    every = [inner for kind in field["anyOf"] for inner in kind.get("anyOf", [kind])]
    kinds = [_field(kind, rule, is_left_out=False) for kind in every if kind != {"type": "null"}]
    return kinds[0] if is_left_out and len(kinds) == 1 else {"anyOf": [*kinds, {"type": "null"}]}


MEMBERS: dict[str, Told] = {
    "id": ("The record's id when the shard was made.", {"pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$"}),
    "path": ("The member path.", {"minLength": 1}),
    "source_path": "The source path, if it is not the member path.",
    "source_path_b64": ("The source path's bytes in base64, if it is not UTF-8.", {"contentEncoding": "base64"}),
    "offset": ("Position of the member's first byte in the tar, or in the folder's stream.", {"minimum": 0}),
    "size": ("The member's bytes.", {"minimum": 0}),
    "sha256": ("The SHA-256 of the member's bytes, here in hex.", HEX64),
    "kind": ("What it is.", {"enum": list(model.KINDS)}),
    "title": "From the tags or the records file.",
    "artist": "Likewise.",
    "album": "Likewise.",
    "track": "Likewise.",
    "date": "As the tags or the records file have it.",
    "year": "Likewise.",
    "isrc": "Likewise.",
    "duration": "Seconds, rounded to milliseconds.",
    "codec": "Such as flac or vorbis.",
    "licence": "Of this record.",
    "popularity": "Larger is more popular.",
    "extra": ("A JSON object: everything else in the records file.", {"contentMediaType": "application/json"}),
    "mtime_ns": "The file's modification time, nanoseconds since 1970; null unless the manifest says mtimes.",
    "current_id": "The record's id now, if it changed since the shard was made.",
    "current_path": "The source path now, if the file moved since the shard was made.",
    "superseded": ("The shard that contains the next version of the member, if there is one.", SHARD),
}


def members_schema() -> Rule:
    """Return the schema of the rows of a members table as JSON: all columns are there, and others may be."""
    if list(MEMBERS) != model.MEMBERS.names:
        raise SystemExit(f"members: told and had differ: {set(MEMBERS) ^ set(model.MEMBERS.names)}")
    properties = {}
    for field in model.MEMBERS:
        told = MEMBERS[field.name]
        text, rule = told if isinstance(told, tuple) else (told, {})
        kind = "string" if field.type in (pa.string(), pa.binary(32)) else "number"
        kind = "integer" if pa.types.is_integer(field.type) else kind
        value = {"type": kind} | rule
        shown = {"anyOf": [value, {"type": "null"}]} if field.nullable else value
        properties[field.name] = {"description": text} | shown
    row = {"type": "object", "required": model.MEMBERS.names, "properties": properties}
    return {"$schema": DRAFT, "title": "members", "type": "array", "items": row}


def texts() -> dict[str, str]:
    """Return the text of every schema by its path in this folder."""
    made = {name: schema(name) for name in SCHEMAS} | {"members": members_schema(), "reports/error": ERROR}
    return {f"{name}.schema.json": json.dumps(text, indent=2) + "\n" for name, text in made.items()}


def main() -> None:
    """Write every schema."""
    for path, text in texts().items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
