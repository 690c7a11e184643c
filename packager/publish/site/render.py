"""Renders the site's pages from templates, and writes its lists. This is the only module that imports jinja2.

All inserted text is escaped, templates run in a sandbox, and an unknown variable is an error. A template of the
archivist replaces ours with the same file name. No page depends on the clock.
"""

import difflib
import hashlib
import re
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from packager import paths
from packager.core.releases import release_lists
from packager.core.releases.seed_counts import Counted
from packager.engine.files.write_errors import write_error
from packager.errors import InputError, from_os_error
from packager.model import PublishedFile, Release, ShardName
from packager.progress import SILENT, Progress
from packager.publish.site.filters import FILTERS
from packager.publish.site.pages import Page, ReadMembers, count_pages, pages

STYLE = "style.css"
# Errors of a bad template while it runs, besides jinja2's own errors.
_TEMPLATE_FAULTS = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def render_site(
    release: Release,
    *,
    site: Path,
    read_members: ReadMembers,
    signed: bool = False,
    counted: Mapping[ShardName, Counted] = MappingProxyType({}),
    metalinks: Collection[str] = (),
    templates: Path | None = None,
    progress: Progress = SILENT,
) -> list[PublishedFile]:
    """Write the pages and lists of a release into a folder, and return the written files in this order.

    site: the folder of the new site. signed: whether the caller adds release.json.minisig, SHA256SUMS.minisig and
    minisign.pub. metalinks: paths of the Metalink files that it adds. counted: the known seed counts. templates: the
    archivist's own, or None. Files are not flushed to the disk; `swap_site` does that for all together.
    Memory: the release and one page.
    Raises InputError for a bad template, with its file and line; IncompleteError if a file cannot be written.
    """
    folders = _template_folders(templates)
    environment = _own_environment() if templates is None else _environment(folders)
    written: list[PublishedFile] = []
    progress.begin("Writing", count_pages(release), "page")
    for page in pages(release, read_members, signed=signed, metalinks=metalinks, counted=counted):
        written.append(_write(site, page.path, _rendered(environment, page, templates)))
        progress.advance(1)
    progress.end()
    written.extend(_write(site, path, data) for path, data in _lists(release, counted))
    written.append(_write(site, STYLE, _style(folders)))
    return written


def check_pages(
    release: Release,
    read_members: ReadMembers,
    *,
    templates: Path,
    signed: bool,
    counted: Mapping[ShardName, Counted],
    metalinks: Collection[str],
) -> None:
    """Render every page of a release without writing. Arguments and errors: see `render_site`."""
    environment = _environment(_template_folders(templates))
    for page in pages(release, read_members, signed=signed, metalinks=metalinks, counted=counted):
        _rendered(environment, page, templates)


def _lists(release: Release, counted: Mapping[ShardName, Counted]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and bytes of each list. An unpublished phase has no list."""
    yield "magnets.txt", release_lists.magnets(release).encode()
    yield "torrents.json", release_lists.torrents_json(release, counted)
    yield "feed.xml", release_lists.feed(release)
    if twins := release_lists.magnets_v1(release):
        yield "magnets-v1.txt", twins.encode()
    for phase in release.phases:
        if phase.state == "published" and phase.shards:
            yield f"phases/{phase.name}/magnets.txt", release_lists.magnets(release, phase.name).encode()
            if twins := release_lists.magnets_v1(release, phase.name):
                yield f"phases/{phase.name}/magnets-v1.txt", twins.encode()


def _write(site: Path, path: str, data: bytes) -> PublishedFile:
    """Write one file of the site."""
    if not paths.is_safe_path(path):
        raise InputError(
            "release", f'"{paths.display_text(path)}" cannot be a path of the site', "name phases by slugs"
        )
    try:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
    except OSError as error:
        raise write_error(error, site / path, len(data)) from error
    return PublishedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def default_templates() -> Path:
    """Return the folder of our own templates, in the installed package or in a checkout."""
    inside = Path(str(files("packager"))) / "release_templates"
    return inside if inside.is_dir() else inside.parent.parent / "release_templates"


def _template_folders(templates: Path | None) -> list[Path]:
    """Return the folders with templates, the archivist's first."""
    if templates is None:
        return [default_templates()]
    if not templates.is_dir():
        raise InputError(templates, "there is no such folder of templates", "correct [release] templates")
    return [templates, default_templates()]


@cache  # compiling templates is slower than rendering a small site
def _own_environment() -> ImmutableSandboxedEnvironment:
    """Return the sandbox for our own templates, which do not change between calls."""
    return _environment([default_templates()])


def _environment(folders: list[Path]) -> ImmutableSandboxedEnvironment:
    """Return the sandbox for templates."""
    environment = ImmutableSandboxedEnvironment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS)
    return environment


def _style(folders: list[Path]) -> bytes:
    """Return the style sheet, which is copied unchanged."""
    path = next(folder / STYLE for folder in folders if (folder / STYLE).is_file())
    try:
        return path.read_bytes()
    except OSError as error:
        raise from_os_error(error, path) from error


def _rendered(environment: ImmutableSandboxedEnvironment, page: Page, own: Path | None) -> bytes:
    """Return a page's HTML. An error in our own templates is a bug, and keeps its traceback."""
    variables = {field.name: getattr(page, field.name) for field in fields(page)}
    try:
        return environment.get_template(page.template).render(variables).encode()
    except _TEMPLATE_FAULTS as error:
        if own is None:
            raise
        raise _template_error(error, own, variables) from error
    except OSError as error:
        raise from_os_error(error, own or default_templates()) from error


def _template_error(error: Exception, own: Path, known: Iterable[str]) -> InputError:
    """Return an InputError with the template's file and line, and the most similar known name."""
    if isinstance(error, TemplateNotFound):
        return InputError(_where(error, own), f'there is no template "{error}"', "fix the name or add the file")
    missing = re.search(r"'(\w+)' is undefined|No filter named '(\w+)'", str(error))
    word = (missing[1] or missing[2]) if missing else ""
    near = difflib.get_close_matches(word, [*known, *FILTERS], 1)
    fix = f'did you mean "{near[0]}"?' if near else "README.md beside our templates describes the variables and filters"
    return InputError(_where(error, own), paths.display_text(str(error) or type(error).__name__), fix)


def _where(error: Exception, own: Path) -> str:
    """Return FILE:LINE of the innermost template in an error's traceback."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or own}:{error.lineno}"
    if isinstance(error, UnicodeDecodeError):
        found = (path for path in sorted(own.rglob("*.html")) if path.read_bytes() == error.object)
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"{next(found, own)}:{line}"
    folders = {own, default_templates()}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if folders & set(Path(frame.filename).parents):
            return f"{frame.filename}:{frame.lineno}"
    return str(own)
