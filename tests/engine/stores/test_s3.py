"""The S3 store against a real S3 server, through a proxy that fails on purpose."""

import random

import pytest

from packager.core.config.store_url import parse_store_url
from packager.engine.stores import base, open_store, s3
from packager.engine.stores.base import FileChangedError, Store
from packager.errors import IncompleteError, InputError
from tests.helpers import s3_server
from tests.helpers.s3_server import Bucket


def store_of(bucket: Bucket, prefix: str = "p") -> Store:
    return open_store(parse_store_url(f"s3://{bucket.name}/{prefix}", "test"))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_what_is_put_is_listed_with_its_size_and_read_by_ranges(bucket: Bucket) -> None:
    store = store_of(bucket)
    put = store.put("a/é b+%.txt", b"hello world")
    [entry] = store.entries()
    assert (entry.path, entry.stat.size, entry.stat.tag) == ("a/é b+%.txt", 11, put.tag)
    assert store.read("a/é b+%.txt", 6, 11, entry.stat) == (entry.stat, b"world")
    assert store.stat("a/é b+%.txt") == entry.stat
    assert store.stat("a") is None
    store.delete("a/é b+%.txt")
    store.delete("a/é b+%.txt")
    assert bucket.listed() == []


def test_a_listing_of_several_pages_is_whole(bucket: Bucket, monkeypatch) -> None:
    monkeypatch.setattr(s3, "_PAGE", 7)
    for number in range(30):
        bucket.put(f"p/{number:04d}", b"")
    bucket.put("p2/other", b"")
    assert [entry.path for entry in store_of(bucket).entries()] == [f"{number:04d}" for number in range(30)]


@pytest.mark.usefixtures("impatient")
def test_bytes_are_right_through_every_fault(bucket: Bucket, s3_port: int, monkeypatch) -> None:
    data = {f"f{number}": noise(100_000 * number, number) for number in range(1, 13)}
    with s3_server.proxy(s3_port, share=0.35, seed=6) as storm:
        s3_server.use(monkeypatch, storm.address)
        store = store_of(bucket)
        for path, body in data.items():
            store.put(path, body)
        found = {entry.path: entry.stat for entry in store.entries()}
        assert {path: stat.size for path, stat in found.items()} == {path: len(body) for path, body in data.items()}
        for path, body in data.items():
            assert store.read(path, 1000, len(body), found[path]) == (found[path], body[1000:])
    assert set(storm.done) == {"", *s3_server.FAULTS}
    assert bucket.everything("p/") == data


@pytest.mark.usefixtures("impatient")
def test_an_upload_by_parts_is_invisible_until_it_is_whole_and_leaves_nothing_over(
    bucket: Bucket, s3_port: int, monkeypatch
) -> None:
    body = noise(40 << 20)
    with s3_server.proxy(s3_port, share=0.3, seed=3) as storm:
        s3_server.use(monkeypatch, storm.address)
        store = store_of(bucket)
        with store.writer("big.tar", len(body)) as writer:
            for at in range(0, len(body), 1 << 20):
                writer.write(body[at : at + (1 << 20)])
            assert bucket.listed() == []
    assert bucket.get("p/big.tar") == body
    assert bucket.uploads() == []
    assert sum(storm.done[fault] for fault in s3_server.FAULTS) >= 2


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("impatient")
def test_an_upload_whose_last_answer_is_lost_is_found_to_be_done(
    bucket: Bucket, s3_port: int, monkeypatch, seed: int
) -> None:
    body = noise(17 << 20, seed)
    with s3_server.proxy(s3_port, share=0.5, faults=("lost",), seed=seed) as storm:
        s3_server.use(monkeypatch, storm.address)
        with store_of(bucket).writer("t.tar", len(body)) as writer:
            writer.write(body)
    assert bucket.get("p/t.tar") == body
    assert bucket.uploads() == []


def test_a_failure_while_writing_leaves_neither_object_nor_parts(bucket: Bucket) -> None:
    def fail() -> None:
        with store_of(bucket).writer("t.tar", 34 << 20) as writer:
            writer.write(bytes(17 << 20))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (bucket.listed(), bucket.uploads()) == ([], [])


def test_uploads_that_a_killed_run_left_are_swept_and_those_of_others_are_not(bucket: Bucket) -> None:
    for key in ("p/mine.tar", "p/others.bin", "elsewhere/mine.tar"):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    assert store_of(bucket).sweep(lambda path: path == "mine.tar") == 1
    assert sorted(bucket.uploads()) == ["elsewhere/mine.tar", "p/others.bin"]


def test_a_file_that_is_replaced_between_two_ranges_is_told_and_never_mixed(bucket: Bucket) -> None:
    bucket.put("p/f", noise(100, 1))
    store = store_of(bucket)
    seen, _ = store.read("f", 0, 50)
    bucket.put("p/f", noise(100, 2))
    with pytest.raises(FileChangedError, match="was written to meanwhile"):
        store.read("f", 50, 100, seen)


@pytest.mark.usefixtures("impatient")
def test_a_cut_read_goes_on_at_its_offset_and_only_if_the_object_is_the_same(
    bucket: Bucket, s3_port: int, monkeypatch
) -> None:
    bucket.put("p/f", noise(3 << 20, 1))
    with s3_server.proxy(s3_port, share=1.0, faults=("cut",)) as storm:
        s3_server.use(monkeypatch, storm.address)
        store = store_of(bucket)

        def replace(method: str, path: str) -> None:
            if len(storm.requests) == 2:
                bucket.put("p/f", noise(3 << 20, 2))
                storm.share = 0

        storm.before = replace
        with pytest.raises(FileChangedError, match="was written to meanwhile"):
            store.read("f", 0, 3 << 20)
    assert len(storm.requests) == 2


@pytest.mark.usefixtures("impatient")
def test_a_store_that_never_recovers_is_told_in_a_sentence_with_exit_code_3(
    bucket: Bucket, s3_port: int, monkeypatch
) -> None:
    with s3_server.proxy(s3_port, share=1.0, faults=("503",)) as storm:
        s3_server.use(monkeypatch, storm.address)
        with pytest.raises(IncompleteError, match="the store answers 503 SlowDown, 8 times in a row; run the command"):
            list(store_of(bucket).entries())
    assert len(storm.requests) == base.PATIENCE.tries


def test_no_such_bucket_and_no_credentials_are_sentences(bucket: Bucket, monkeypatch) -> None:
    bucket.name = "no-such-bucket"
    with pytest.raises(InputError, match="the store answers NoSuchBucket; check the bucket"):
        list(store_of(bucket).entries())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="Unable to locate credentials"):
        list(store_of(bucket).entries())
