"""The Python API: one typed function for each command.

Each function takes the path of packager.toml or of data, and locks the folder that it writes to. It can be killed at
any time and run again. Errors that its user can fix are PackagerErrors.

    from pathlib import Path
    from packager import api

    report = api.release(Path("packager.toml"))
    print(report.publish.index)

A command with many options takes a dataclass of them; set those that you need. You can use a str for a Path, and a
single value for a tuple.

    api.verify("shards", api.VerifyOptions(sample="2%"), workers=4)

A function's module is imported when the function is first used (PEP 562): importing all of them takes more than half a
second, and most runs need only one.
"""

from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING

from packager.api.checked_calls import checked

if TYPE_CHECKING:
    from packager.api.checking import extract as extract
    from packager.api.checking import inspect as inspect
    from packager.api.checking import verify as verify
    from packager.api.estimating import estimate as estimate
    from packager.api.getting import get as get
    from packager.api.mirroring import mirror_follow as mirror_follow
    from packager.api.mirroring import mirror_magnets as mirror_magnets
    from packager.api.mirroring import mirror_prune as mirror_prune
    from packager.api.mirroring import mirror_run as mirror_run
    from packager.api.mirroring import mirror_status as mirror_status
    from packager.api.mirroring import mirror_sync as mirror_sync
    from packager.api.packing import export as export
    from packager.api.packing import pack as pack
    from packager.api.preflight import Password as Password
    from packager.api.releasing import keygen as keygen
    from packager.api.releasing import no_password as no_password
    from packager.api.releasing import plan as plan
    from packager.api.releasing import publish as publish
    from packager.api.releasing import release as release
    from packager.api.releasing import scan as scan
    from packager.api.releasing import status as status
    from packager.api.releasing import warnings as warnings
    from packager.api.repairing import rebuild as rebuild
    from packager.api.repairing import repair as repair
    from packager.api.seeding import seed as seed
    from packager.api.serving import serve as serve
    from packager.api.starting import InitOptions as InitOptions
    from packager.api.starting import init as init
    from packager.api.torrents import torrent as torrent
    from packager.api.withdrawing import prune as prune
    from packager.api.withdrawing import replace as replace
    from packager.api.withdrawing import withdraw as withdraw
    from packager.api.workers import WorkerOptions as WorkerOptions
    from packager.check.extract.extract import ExtractOptions as ExtractOptions
    from packager.check.repair.rebuild import RebuildOptions as RebuildOptions
    from packager.check.repair.repair import RepairOptions as RepairOptions
    from packager.check.verify.verify import VerifyOptions as VerifyOptions
    from packager.core.estimates.estimate import EstimateOptions as EstimateOptions
    from packager.engine.network.connection_options import NetworkOptions as NetworkOptions
    from packager.get.find_by_sql import SearchOptions as SearchOptions
    from packager.get.get import GetOptions as GetOptions
    from packager.mirror.context import AGREE_TO_PLANS as AGREE_TO_PLANS
    from packager.mirror.mirror_options import MirrorOptions as MirrorOptions
    from packager.mirror.mirror_options import RunOptions as RunOptions
    from packager.pack.withdraw.withdraw import WithdrawOptions as WithdrawOptions
    from packager.publish.publish import PublishOptions as PublishOptions
    from packager.share.make_torrent import TorrentSpec as TorrentSpec
    from packager.share.seed import SeedOptions as SeedOptions

# The same names at run time. docs/make_reference.py lists them in this order.
_FILES = {
    "starting": "init",
    "releasing": "scan warnings plan publish release status keygen no_password",
    "preflight": "Password",
    "packing": "pack export",
    "withdrawing": "withdraw replace prune",
    "estimating": "estimate",
    "checking": "verify inspect extract",
    "repairing": "repair rebuild",
    "getting": "get",
    "seeding": "seed",
    "serving": "serve",
    "torrents": "torrent",
    "mirroring": "mirror_follow mirror_sync mirror_run mirror_status mirror_magnets mirror_prune",
}
# The dataclasses of their options, each in the module that uses it.
_OPTIONS = {
    "packager.api.starting": "InitOptions",
    "packager.api.workers": "WorkerOptions",
    "packager.check.verify.verify": "VerifyOptions",
    "packager.check.extract.extract": "ExtractOptions",
    "packager.check.repair.repair": "RepairOptions",
    "packager.check.repair.rebuild": "RebuildOptions",
    "packager.get.get": "GetOptions",
    "packager.get.find_by_sql": "SearchOptions",
    "packager.engine.network.connection_options": "NetworkOptions",
    "packager.share.seed": "SeedOptions",
    "packager.publish.publish": "PublishOptions",
    "packager.core.estimates.estimate": "EstimateOptions",
    "packager.share.make_torrent": "TorrentSpec",
    "packager.pack.withdraw.withdraw": "WithdrawOptions",
    "packager.mirror.mirror_options": "MirrorOptions RunOptions",
}
_MODULE_OF = {name: f"{__name__}.{file}" for file, names in _FILES.items() for name in names.split()}
_MODULE_OF |= {"AGREE_TO_PLANS": "packager.mirror.context"}
_MODULE_OF |= {name: module for module, names in _OPTIONS.items() for name in names.split()}


if not TYPE_CHECKING:  # so that mypy still reports an unknown name

    def __getattr__(name: str) -> object:
        """Return a function or a dataclass of options, and import its module."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(_MODULE_OF[name]), name)
        return checked(found) if isinstance(found, FunctionType) else found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_MODULE_OF)
