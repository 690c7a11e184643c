"""Releases signed by keygen's keys: public tools check them, mirrors follow them through a change of keys."""

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from packager.cli.app import main
from packager.core.releases import minisign_signature, trust
from packager.core.releases.minisign_key import ScryptParameters
from packager.engine.project import key_files
from packager.errors import TrustError
from tests.helpers.projects import Project, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def signed(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", files=3)
    for name in ("old", "new"):
        make_key(project, name)
    set_release_keys(project, 'secret_key = "old.key"')
    return project


def make_key(project: Project, name: str) -> None:
    secret, public = project.root / f"{name}.key", project.root / f"{name}.pub"
    assert main(["keygen", "--no-password", "--secret-key", str(secret), "--public-key", str(public)]) == 0


def set_release_keys(project: Project, lines: str) -> None:
    project.write_config()
    path = project.root / "packager.toml"
    path.write_text(path.read_text().replace("[release]", f"[release]\n{lines}"))


def read(project: Project, name: str) -> bytes:
    return (project.root / "site" / name).read_bytes()


@pytest.mark.interop
def test_minisign_accepts_every_signature_of_the_site(
    signed: Project, capsys: Capture, program: Callable[[str], str]
) -> None:
    assert signed.run(capsys, "release").code == 0
    site = signed.root / "site"
    for name in ("release.json", "SHA256SUMS", "releases/1.json"):
        command = [program("minisign"), "-Vm", name, "-p", "minisign.pub"]
        subprocess.run(command, cwd=site, check=True, capture_output=True)
    assert read(signed, "minisign.pub") == (signed.root / "old.pub").read_bytes()


def test_no_secret_reaches_the_site_the_state_or_the_screen(signed: Project, capsys: Capture) -> None:
    secret = (signed.root / "old.key").read_text().splitlines()[1]
    ran = signed.run(capsys, "release", "--json")
    assert ran.code == 0
    assert secret not in ran.out + ran.err
    for top in ("site", ".packager"):
        for path in (signed.root / top).rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_a_mirror_follows_the_old_key_to_the_new_one_and_no_further_key(signed: Project, capsys: Capture) -> None:
    old = key_files.read_public(signed.root / "old.pub")
    assert signed.run(capsys, "publish").code == 2  # nothing planned yet
    assert signed.run(capsys, "release").code == 0
    followed = trust.pin(read(signed, "release.json"), read(signed, "release.json.minisig"), old).followed
    set_release_keys(signed, 'secret_key = "old.key"\nnext_public_key = "new.pub"')
    assert signed.run(capsys, "release").code == 0
    followed = trust.accept_release(
        followed, read(signed, "release.json"), read(signed, "release.json.minisig")
    ).followed
    set_release_keys(signed, 'secret_key = "old.key"')
    refused = signed.run(capsys, "release")
    assert refused.code == 2
    assert "mirrors accept no other" in refused.err
    set_release_keys(signed, 'secret_key = "new.key"')
    assert signed.run(capsys, "release").code == 0
    followed = trust.accept_release(
        followed, read(signed, "release.json"), read(signed, "release.json.minisig")
    ).followed
    assert followed.serial == 3
    secret = key_files.read_secret(signed.root / "old.key", lambda: "")
    forged = minisign_signature.sign(read(signed, "release.json") + b"\n", secret, "forged")
    with pytest.raises(TrustError):
        trust.accept_release(followed, read(signed, "release.json") + b"\n", forged)


def test_a_key_with_a_password_is_asked_for_once_and_refused_where_nobody_can_answer(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        key_files, "ScryptParameters", partial(ScryptParameters, opslimit=1 << 15, memlimit=1 << 20)
    )  # not some seconds a time
    project = make_project(tmp_path / "project", files=2)
    monkeypatch.setenv("PACKAGER_KEY_PASSWORD", "correct horse")
    secret, public = project.root / "my.key", project.root / "my.pub"
    assert main(["keygen", "--secret-key", str(secret), "--public-key", str(public)]) == 0
    set_release_keys(project, 'secret_key = "my.key"')
    monkeypatch.delenv("PACKAGER_KEY_PASSWORD")
    refused = project.run(capsys, "release")
    assert refused.code == 2
    assert "Set PACKAGER_KEY_PASSWORD" in refused.err
    assert not (project.root / "site").exists()
    monkeypatch.setenv("PACKAGER_KEY_PASSWORD", "correct horse")
    assert project.run(capsys, "release").code == 0
    assert main(["keygen", "--secret-key", str(secret), "--public-key", str(public)]) == 2
