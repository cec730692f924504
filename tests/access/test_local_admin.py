"""Tests the local admin token: one file, for one user, made once; and the proof that a server knows it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hoshikage.access import local_admin

MAKER = """
import sys
from pathlib import Path
from hoshikage.access.local_admin import prepare
print(prepare(Path(sys.argv[1])))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "admin.token"


def test_it_is_made_once(file: Path) -> None:
    assert local_admin.read(file) is None
    token = local_admin.prepare(file)
    assert local_admin.TOKEN.fullmatch(token)
    assert local_admin.prepare(file) == local_admin.read(file) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_one_that_others_could_read_is_replaced(file: Path, mode: int) -> None:
    before = local_admin.prepare(file)
    file.chmod(mode)
    assert local_admin.read(file) is None, "a command must not use it either"
    after = local_admin.prepare(file)
    assert after != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"hsk-short\n", b"\xff" * 100, b"x" * 10_000])
def test_one_that_is_none_is_replaced(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(0o600)
    assert local_admin.read(file) is None
    assert local_admin.read(file) is None
    assert local_admin.prepare(file) == local_admin.read(file)


def test_a_link_and_a_pipe_are_not_read(file: Path) -> None:
    other = file.with_name("other")
    token = local_admin.prepare(other)
    file.symlink_to(other)
    assert local_admin.read(file) is None
    assert local_admin.prepare(file) != token
    assert local_admin.read(other) == token, "what the link led to is left alone"
    file.unlink()
    os.mkfifo(file, 0o600)
    assert local_admin.read(file) is None


@pytest.mark.process
def test_servers_that_start_together_agree(file: Path) -> None:
    command = [sys.executable, "-c", MAKER, str(file)]
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({maker.communicate(timeout=60)[0] for maker in makers}) == 1


def test_a_proof_is_of_one_token_challenge_and_address(file: Path) -> None:
    token = local_admin.prepare(file)
    here = ("127.0.0.1", 3030)
    proof = local_admin.proof(token, "a", here)
    assert proof == local_admin.proof(token, "a", here)
    others = [
        local_admin.proof(token + "x", "a", here),
        local_admin.proof(token, "b", here),
        local_admin.proof(token, "a", ("127.0.0.1", 3031)),
        local_admin.proof(token, "a", ("127.0.0.2", 3030)),
    ]
    assert proof not in others
    assert local_admin.challenge() != local_admin.challenge()
    assert local_admin.CHALLENGE.fullmatch(local_admin.challenge())
