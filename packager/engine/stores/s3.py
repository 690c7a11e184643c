"""The door to S3 and all that speaks its protocol, by s3fs: its session, credentials, region and endpoint.

The requests are our own, since s3fs's files neither say which version they read nor leave nothing behind.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, TypeVar

from packager.core.config.store_url import StoreUrl
from packager.engine.stores.base import (
    AGAIN,
    SMALL,
    FileChangedError,
    Refused,
    StoreEntry,
    StoreFileWriter,
    StoreStat,
    TransientError,
    with_retries,
)
from packager.errors import InputError, PackagerError
from packager.paths import display_text
from packager.units import MIB

try:
    import fsspec
    import fsspec.asyn
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,  # noqa: A004
        HTTPClientError,
        IncompleteReadError,
    )
    from botocore.parsers import ResponseParserError
    from s3fs.core import S3_RETRYABLE_ERRORS
except ImportError as error:
    raise InputError("s3://", f"needs s3fs ({error})", "run: pip install s3fs") from error

Result = TypeVar("Result")
Answer = Mapping[str, Any]  # botocore's, which has no types

_PART = 16 * MIB  # S3's least is 5 MiB
_PARTS = 10_000  # S3's most of a file
_LANES = 4  # parts on their way at once
_CHUNK = MIB  # bytes taken from a body at once
_PAGE = 1000  # objects of one page of a listing: S3's most
_SLOWEST = 32 << 10  # bytes a second: what is slower is asked for again
_CONFIG = {
    "retries": {"total_max_attempts": 1, "mode": "standard"},  # `retried` does it, in one place
    "connect_timeout": 15,
    "read_timeout": 60,
    "max_pool_connections": 64,
    # Content-MD5 is what every such server checks; trailers with CRCs some refuse.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
_PASSING = {
    "BadDigest", "IncompleteBody", "InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable",
    "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "XAmzContentSHA256Mismatch",
}  # fmt: skip
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_TYPES = {
    "css": "text/css", "html": "text/html; charset=utf-8", "json": "application/json", "jsonl": "application/jsonl",
    "meta4": "application/metalink4+xml", "svg": "image/svg+xml", "torrent": "application/x-bittorrent",
    "txt": "text/plain; charset=utf-8", "xml": "application/xml", "tar": "application/x-tar",
    "js": "text/javascript", "md": "text/plain; charset=utf-8", "pub": "text/plain", "minisig": "text/plain",
}  # fmt: skip


class S3Store:
    """Objects below a prefix of a bucket. See base.Store."""

    def __init__(self, address: StoreUrl) -> None:
        """Ask nothing yet. Credentials are looked for where all of the field's tools look."""
        self._address = address
        self._prefix = address.below("")
        self._fs = fsspec.filesystem("s3", config_kwargs=_CONFIG, skip_instance_cache=True)

    @property
    def name(self) -> str:
        """The address, fit to be shown."""
        return display_text(str(self._address))

    def entries(self, refused: Refused | None = None) -> Iterator[StoreEntry]:  # noqa: ARG002 (there are no folders)
        """Yield the objects, a page at a time; "folders" that other tools made are objects ending in "/"."""
        token: dict[str, str] = {}
        while True:
            page = self._call(self.name, "list_objects_v2", Prefix=self._prefix, MaxKeys=_PAGE, **token)
            for found in page.get("Contents", ()):
                path = found["Key"][len(self._prefix) :]
                if path:
                    yield StoreEntry(path, _stat(found, found["Size"]))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, path: str) -> StoreStat | None:
        """Return an object's version, None if it is not there."""
        try:
            answer = self._call(self._where(path), "head_object", Key=self._key(path))
        except FileChangedError:
            return None
        return _stat(answer, answer["ContentLength"])

    def read(self, path: str, start: int, stop: int, seen: StoreStat | None = None) -> tuple[StoreStat, bytes]:
        """Return an object's version and bytes of it; a read that was cut goes on with If-Match."""
        if start == stop:
            found = self.stat(path)
            if found is None or (seen is not None and found.tag != seen.tag):
                raise FileChangedError(self._where(path), "is gone, or was written to meanwhile", AGAIN)
            return found, b""
        data, versions = bytearray(), [seen] if seen else []
        where = self._where(path)
        with_retries(
            where,
            lambda: self._run(where, self._get(self._key(path), start, stop, data, versions)),
            progress=lambda: len(data),
        )
        return versions[0], bytes(data)

    async def _get(self, key: str, start: int, stop: int, data: bytearray, versions: list[StoreStat]) -> None:
        """Add to `data` what it lacks of bytes [start, stop); the first answer tells the version."""
        client = await self._fs.set_session()
        first = start + len(data)
        same = {"IfMatch": f'"{versions[0].tag}"'} if versions else {}
        async with asyncio.timeout(60 + (stop - first) / _SLOWEST):
            answer = await client.get_object(
                Bucket=self._address.host, Key=key, Range=f"bytes={first}-{stop - 1}", **same
            )
            async with answer["Body"] as body:
                span, _, total = answer.get("ContentRange", "").partition("/")
                if span != f"bytes {first}-{stop - 1}" or not total.isdigit():
                    given = display_text(answer.get("ContentRange", "no range"), 60)
                    raise FileChangedError(
                        f"{self.name}/{display_text(key)}", f"gives {given} for bytes {first}-{stop - 1}", AGAIN
                    )
                found = _stat(answer, int(total))
                if versions and (found.size, found.tag) != (versions[0].size, versions[0].tag):
                    raise FileChangedError(f"{self.name}/{display_text(key)}", "was written to meanwhile", AGAIN)
                versions[:] = [found]
                while len(data) < stop - start and (chunk := await body.read(_CHUNK)):
                    data += chunk
        if len(data) != stop - start:
            raise TransientError(f"ends after {first + len(data)} bytes")

    def put(self, path: str, data: bytes) -> StoreStat:
        """Write an object in one request; readers meet the old one or the new one."""
        return StoreStat(len(data), 0, _tag(self._put(path, data)))

    def _put(self, path: str, data: bytes, **condition: str) -> Answer:
        """Return the answer to the request that writes an object."""
        facts = {"ContentMD5": _md5(data), "ContentType": _content_type(path), **condition}
        return self._call(self._where(path), "put_object", Key=self._key(path), Body=data, **facts)

    def create(self, path: str, data: bytes) -> bool:
        """Write an object where none is, in one step where the store can (If-None-Match)."""
        if self.stat(path) is not None:
            return False
        try:
            self._put(path, data, IfNoneMatch="*")
        except FileChangedError:  # 412: it is there by now
            return False
        except InputError:  # of a store that knows no conditions; what it refuses for another reason it refuses again
            self._put(path, data)
        return True

    def writer(self, path: str, size: int) -> AbstractContextManager[StoreFileWriter]:
        """Return what writes an object of `size` bytes: by parts where it is large, made an object at the end."""
        return _Upload(self, path, size) if size > SMALL else _Whole(self, path, size)

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        with suppress(FileChangedError):
            self._call(self._where(path), "delete_object", Key=self._key(path))

    def sweep(self, paths: Callable[[str], bool]) -> int:
        """Abort the uploads of these objects that no one will complete."""
        count, after = 0, dict[str, str]()
        while True:
            page = self._call(self.name, "list_multipart_uploads", Prefix=self._prefix, **after)
            for upload in page.get("Uploads", ()):
                path = upload["Key"][len(self._prefix) :]
                if paths(path):
                    self.abort(path, upload["UploadId"])
                    count += 1
            if not page.get("IsTruncated"):
                return count
            after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def begin(self, path: str) -> str:
        """Begin an upload by parts and return its id."""
        answer = self._call(
            self._where(path), "create_multipart_upload", Key=self._key(path), ContentType=_content_type(path)
        )
        return str(answer["UploadId"])

    def part(self, path: str, upload: str, number: int, data: bytes) -> str:
        """Send one part, from 1, and return its ETag; one that is sent again replaces itself."""
        answer = self._call(
            self._where(path),
            "upload_part",
            Key=self._key(path),
            UploadId=upload,
            PartNumber=number,
            Body=data,
            ContentMD5=_md5(data),
        )
        return _tag(answer)

    def complete(self, path: str, upload: str, tags: list[str], size: int) -> None:
        """Make the parts an object. Where the answer to an earlier try was lost, what stands there is looked at."""
        parts = [{"ETag": f'"{tag}"', "PartNumber": number} for number, tag in enumerate(tags, 1)]
        try:
            self._call(
                self._where(path),
                "complete_multipart_upload",
                Key=self._key(path),
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except FileChangedError:
            found = self.stat(path)
            if found is None or found.size != size or found.tag != _joined(tags):
                raise
        found = self.stat(path)
        if found is None or found.size != size:
            raise FileChangedError(self._where(path), f"has {found.size if found else 'no'} bytes, not {size}", AGAIN)

    def abort(self, path: str, upload: str) -> None:
        """Take an upload back, if it is there."""
        with suppress(FileChangedError):
            self._call(self._where(path), "abort_multipart_upload", Key=self._key(path), UploadId=upload)

    def _key(self, path: str) -> str:
        """Return an object's key."""
        return self._prefix + path

    def _where(self, path: str) -> str:
        """Return how a message names an object."""
        return display_text(f"{self._address}/{path}")

    def _call(self, where: str, operation: str, **parameters: object) -> Answer:
        """Return a request's answer, tried again while it may pass."""
        body = parameters.get("Body", b"")
        limit = 60 + len(body) / _SLOWEST if isinstance(body, bytes) else 60.0

        async def request() -> Answer:
            client = await self._fs.set_session()
            async with asyncio.timeout(limit):
                answer: Answer = await getattr(client, operation)(Bucket=self._address.host, **parameters)
                return answer

        return with_retries(where, lambda: self._run(where, request()))

    def _run(self, where: str, request: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of a request; errors of the libraries become temporary or permanent ones."""

        async def same() -> Result:
            return await request

        try:
            done: Result = fsspec.asyn.sync(self._fs.loop, same)
            return done
        except (PackagerError, TransientError):
            raise
        except ClientError as failed:
            raise _told(failed, where) from failed
        except TimeoutError as failed:
            raise TransientError("does not answer in time") from failed
        except (HTTPClientError, ConnectionError, IncompleteReadError, ResponseParserError) as failed:
            raise TransientError(f"the connection failed ({type(failed).__name__})") from failed
        except BotoCoreError as failed:
            fix = "set AWS_PROFILE, or the keys in the environment or in ~/.aws"
            raise InputError(where, f"cannot be asked ({display_text(str(failed), 120)})", fix) from failed
        except S3_RETRYABLE_ERRORS as failed:
            raise TransientError(f"the connection failed ({type(failed).__name__})") from failed


class _Whole:
    """A Writer of a small object, written when its block ends."""

    def __init__(self, store: S3Store, path: str, size: int) -> None:
        self._store, self._path, self._size = store, path, size
        self._data = bytearray()

    def __enter__(self) -> "_Whole":
        return self

    def write(self, data: bytes | memoryview) -> None:
        self._data += data

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            assert len(self._data) == self._size
            self._store.put(self._path, bytes(self._data))


class _Upload:
    """A Writer of a large object: full parts are sent by threads, at most _LANES at once; they hold the memory."""

    def __init__(self, store: S3Store, path: str, size: int) -> None:
        self._store, self._path, self._size = store, path, size
        self._part = max(_PART, -(-size // _PARTS // MIB) * MIB)
        self._data = bytearray()
        self._sent: list[Future[str]] = []
        self._failed: BaseException | None = None
        self._free = BoundedSemaphore(_LANES)

    def __enter__(self) -> "_Upload":
        self._pool = ThreadPoolExecutor(_LANES, "upload")
        self._id = self._store.begin(self._path)
        return self

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            if self._failed:
                raise self._failed
            room = self._part - len(self._data)
            self._data += view[:room]
            view = view[room:]
            if len(self._data) == self._part:
                self._send()

    def _send(self) -> None:
        """Have the open part sent, when a lane is free."""
        data, self._data = bytes(self._data), bytearray()
        self._free.acquire()
        future = self._pool.submit(self._store.part, self._path, self._id, len(self._sent) + 1, data)
        future.add_done_callback(self._ended)
        self._sent.append(future)

    def _ended(self, future: "Future[str]") -> None:
        """Free the lane, and keep a failure for the next write."""
        self._failed = self._failed or (None if future.cancelled() else future.exception())
        self._free.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._data:
                    self._send()
                tags = [future.result() for future in self._sent]
                self._store.complete(self._path, self._id, tags, self._size)
        except BaseException:
            kind = BaseException
            raise
        finally:
            self._pool.shutdown(cancel_futures=True)
            if kind is not None:
                with suppress(PackagerError):  # the first failure is the one to tell; the next run sweeps
                    self._store.abort(self._path, self._id)
        # An upload may have been begun twice, where the answer to the first was lost.
        self._store.sweep(lambda path: path == self._path)


def _stat(answer: Answer, size: int) -> StoreStat:
    """Return an object's version from what a server says of it; listings tell milliseconds, answers seconds."""
    return StoreStat(size, int(answer["LastModified"].timestamp()), _tag(answer))


def _tag(answer: Answer) -> str:
    """Return an ETag without its quotes."""
    return str(answer.get("ETag", "")).strip('"')


def _md5(data: bytes) -> str:
    """Return Content-MD5 (RFC 1864): bytes that changed on their way are refused."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _joined(tags: list[str]) -> str:
    """Return the ETag of an object that was made of parts, as S3 makes it."""
    try:
        joined = b"".join(bytes.fromhex(tag) for tag in tags)
    except ValueError:
        return ""
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(tags)}"


def _content_type(path: str) -> str:
    """Return what browsers are told that a file is."""
    return _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")


def _told(error: ClientError, where: str) -> Exception:
    """Return what an answer that is no success means."""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = display_text(str(error.response.get("Error", {}).get("Code", "")), 60)
    if (status >= 500 and status != 501) or status in (408, 429) or code in _PASSING:
        return TransientError(f"the store answers {status} {code if code != str(status) else ''}".rstrip())
    if code in ("NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return InputError(where, f"the store answers {code}", "check the bucket, its region and AWS_ENDPOINT_URL")
    if status == 404 or code in _ABSENT or code == "NoSuchUpload":
        return FileChangedError(where, "is not there any more", AGAIN)
    if status in (412, 416):  # another version than is meant, or shorter than that was
        return FileChangedError(where, "was written to meanwhile", AGAIN)
    fix = "check the credentials and their rights" if status in (401, 403) else "check the address and the store"
    return InputError(where, f"the store answers {status} {code}", fix)
