"""Every way a download can go wrong: no byte is lost or changed, nothing half is registered, the next try goes on."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from hoshikage.hub import transfer
from hoshikage.registry import Registry
from tests.cli.conftest import Cli
from tests.gguf_files import Gguf
from tests.hub import imitation
from tests.hub.imitation import REPO, Act, Hub, as_if, cut, raw, span, status, without_length

pytestmark = pytest.mark.process
"""A template is looked at by a process of its own before its model is registered."""
STAR: Final = "star-Q4_K_M.gguf"
HTML: Final = b"<html>Please sign in to this network</html>"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    content = Gguf().content()
    with imitation.running({STAR: content, "star-Q8_0.gguf": content + bytes(64), "README.md": b"#"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setattr(transfer, "PAUSES_S", (0.0, 0.0, 0.0))
        monkeypatch.setattr(transfer, "TIMEOUT_S", 2.0)
        yield hub


def registered(registry: Registry) -> list[tuple[str, bytes]]:
    return [(spec.label, spec.file.read_bytes()) for spec in registry.specs()]


def stray(home: Path) -> list[str]:
    """Lists what a finished download leaves that is not its file."""
    return [file.name for file in home.rglob("*") if file.name.endswith((".part", ".part.json"))]


SOURCES: Final = ("hub", "modelscope", "url")
OVERCOME: Final[dict[str, list[Act]]] = {
    "cut in the middle": [cut(0.5)],
    "cut after nothing": [cut(0.0)],
    "cut at the last byte": [cut(0.999)],
    "cut again and again": [cut(0.3), cut(0.3), cut(0.3), cut(0.3), cut(0.3), cut(0.3)],
    "reset in the middle": [cut(0.5, polite=False)],
    "hangs up at once": [raw(b"")],
    "half a header": [raw(b"HTTP/1.1 200 OK\r\nContent-Le")],
    "no HTTP at all": [raw(b"SSH-2.0-OpenSSH_9.9\r\n")],
    "500": [status(500)],
    "502 and 503": [status(502), status(503)],
    "504 and 408": [status(504), status(408)],
    "429 with a wait": [status(429, Retry_After="0")],
    "429 without one": [status(429)],
    "425": [status(425)],
    "after a cut the whole again": [cut(0.5), as_if(bytes)],
    "after a cut another part": [cut(0.5), span(0)],
    "after a cut a part from further on": [cut(0.5), span(400)],
    "after a cut a part without a place": [cut(0.5), status(206, b"x" * 10)],
    "after a cut 416": [cut(0.5), status(416)],
    "no length, whole": [without_length(1.0)],
    "no length, cut": [without_length(0.5)],
}
"""A download gets over these faults of the line and of servers by itself."""


@pytest.mark.parametrize("name", OVERCOME)
def test_what_a_download_gets_over(cli: Cli, hub: Hub, registry: Registry, home: Path, name: str) -> None:
    hub.faults = list(OVERCOME[name])
    ran = cli("pull", REPO)
    assert (ran.status, hub.faults) == (0, []), ran.err
    assert registered(registry) == [("star", hub.files[STAR])]
    assert stray(home) == []


@pytest.mark.parametrize("address", ["hub", "modelscope", "url"])
def test_a_cut_download_goes_on_where_it_ended(cli: Cli, hub: Hub, registry: Registry, address: str) -> None:
    named = {"hub": REPO, "modelscope": f"ms:{REPO}", "url": f"{hub.url}/plain/{STAR}"}[address]
    half = len(hub.files[STAR]) // 2
    hub.faults = [cut(0.5)]
    assert cli("pull", named, "star").status == 0
    assert registered(registry) == [("star", hub.files[STAR])]
    asked = [one.range for one in hub.asked if one.method == "GET" and ("/cdn/" in one.path or "/repo" in one.path)]
    ranges = hub.ranges() if address != "modelscope" else [one for one in asked if one] or asked
    assert ranges[-1] == f"bytes={half}-"


FAILED: Final[dict[str, tuple[list[Act], str]]] = {
    "503 for ever": ([status(503)] * 4, "keeps answering HTTP 503"),
    "cut for ever": ([cut(0.0)] * 4, "goes on from here"),
    "hangs up for ever": ([raw(b"")] * 4, "the connection failed"),
    "a wait of an hour": ([status(429, Retry_After="3600")], "asks to wait 3600 s"),
    "401": ([status(401)], "may not be fetched (HTTP 401)"),
    "403": ([status(403)], "may not be fetched (HTTP 403)"),
    "404": ([status(404)], "is not there"),
    "410": ([status(410)], "is not there"),
    "400": ([status(400)], "HTTP 400"),
    "one bit is wrong": ([as_if(lambda content: content[:-1] + b"\x01")], "its content is damaged"),
    "another file of that length": ([as_if(lambda content: bytes(len(content)))], "its content is damaged"),
    "a page to sign in": ([as_if(lambda _: HTML, Content_Type="text/html")], "the size is wrong"),
    "shorter": ([as_if(lambda content: content[:-1])], "the size is wrong"),
    "longer": ([as_if(lambda content: content + b"x")], "the size is wrong"),
    "empty": ([as_if(lambda _: b"")], "the size is wrong"),
    "compressed": ([as_if(gzip.compress, Content_Encoding="gzip")], "compressed"),
    "another total after a cut": ([cut(0.5), span(None, 99)], "the size is wrong"),
    "a redirect to a file of this machine": ([status(302, Location="file:///etc/passwd")], "star-Q4_K_M.gguf"),
    "a redirect to itself": ([status(302, Location=f"/cdn/{STAR}")] * 12, "star-Q4_K_M.gguf"),
}
"""These faults end a download: nothing is registered, and the same command without the fault succeeds."""


@pytest.mark.parametrize("name", FAILED)
def test_what_ends_a_download_registers_nothing(cli: Cli, hub: Hub, registry: Registry, home: Path, name: str) -> None:
    hub.faults, words = list(FAILED[name][0]), FAILED[name][1]
    ran = cli("pull", REPO)
    assert ran.status != 0
    assert words in ran.err
    assert "unexpected" not in ran.err
    assert registry.specs() == ()
    hub.faults = []
    assert cli("pull", REPO).status == 0
    assert registered(registry) == [("star", hub.files[STAR])]
    assert stray(home) == []


API: Final[dict[str, tuple[Act, str]]] = {
    "401": (status(401), "org/Star-GGUF"),
    "404": (status(404, X_Error_Code="RepoNotFound"), "There is no repository org/Star-GGUF"),
    "gated": (status(403, X_Error_Code="GatedRepo"), "Accept its terms"),
    "no such revision": (status(404, X_Error_Code="RevisionNotFound"), "has no revision main"),
    "429": (status(429), "org/Star-GGUF"),
    "500": (status(500), "HTTP 500"),
    "no JSON": (status(200, HTML), "org/Star-GGUF"),
    "hangs up": (raw(b""), "org/Star-GGUF"),
}
ABOUT: Final[dict[str, tuple[Act, str]]] = {
    "404": (status(404, X_Error_Code="EntryNotFound"), "is not there"),
    "no commit": (status(200, b"", ETag='"x"', Content_Length="5"), "star"),
    "no mark": (status(200, b"", X_Repo_Commit=imitation.COMMIT), "star"),
    "a mark that leads elsewhere": (
        status(302, b"", Location="http://localhost:9/", X_Repo_Commit=imitation.COMMIT, X_Linked_Etag='"../../x"'),
        "star",
    ),
    "another size": (
        status(
            302,
            b"",
            Location="http://localhost:9/",
            X_Repo_Commit=imitation.COMMIT,
            X_Linked_Etag='"a"',
            X_Linked_Size="7",
        ),
        "the size is wrong",
    ),
    "503": (status(503), "HTTP 503"),
}


@pytest.mark.parametrize(("kind", "name"), [("api", name) for name in API] + [("about", name) for name in ABOUT])
def test_a_hub_that_does_not_answer_right(cli: Cli, hub: Hub, registry: Registry, kind: str, name: str) -> None:
    act, words = (API if kind == "api" else ABOUT)[name]
    setattr(hub, kind, act)
    ran = cli("pull", REPO)
    assert ran.status in (1, 2)
    assert words in ran.err
    assert "unexpected" not in ran.err
    assert registry.specs() == ()
    assert hub.ranges() == []


def test_the_token_is_shown_to_the_hub_and_to_nobody_else(cli: Cli, hub: Hub) -> None:
    assert cli("pull", REPO).status == 0
    shown = {one.token for one in hub.asked if one.host.startswith("127.0.0.1")}
    assert shown == {"Bearer hf_secret"}
    assert {one.token for one in hub.asked if one.host.startswith("localhost")} == {""}


def test_a_list_without_sums_leaves_the_sum_to_the_files_mark(cli: Cli, hub: Hub, registry: Registry) -> None:
    hub.lists_sums = False
    hub.faults = [as_if(lambda content: content[:-1] + b"\x01")]
    ran = cli("pull", REPO)
    assert "its content is damaged" in ran.err
    assert registry.specs() == ()
    assert cli("pull", REPO).status == 0
    assert registered(registry) == [("star", hub.files[STAR])]


def test_what_the_hub_calls_right_and_is_no_model_is_removed(
    cli: Cli, hub: Hub, registry: Registry, home: Path
) -> None:
    hub.files[STAR] = Gguf(magic=b"GGUX").content()
    ran = cli("pull", REPO)
    assert ran.status == 2
    assert registry.specs() == ()
    assert not any(file.is_file() and file.read_bytes()[:4] == b"GGUX" for file in home.rglob("*"))
    hub.files[STAR] = Gguf().content()
    assert cli("pull", REPO).status == 0
    assert registered(registry) == [("star", hub.files[STAR])]


def test_the_file_has_changed_since_the_first_half_came(cli: Cli, hub: Hub, registry: Registry) -> None:
    url = f"{hub.url}/plain/{STAR}"
    hub.faults = [cut(0.5), *[cut(0.0)] * 4]
    assert cli("pull", url, "star").status == 1
    hub.files[STAR] = Gguf().with_pair("general.name", 8, "later").content()
    assert cli("pull", url, "star").status == 0
    assert registered(registry) == [("star", hub.files[STAR])]


def test_a_full_disk_is_told_before_and_on_the_way(
    cli: Cli, hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "MIN_FREE", 2**62)
        ran = cli("pull", REPO)
        assert ran.status == 2
        assert "lacks space" in ran.err
        assert hub.ranges() == []

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ran = cli("pull", REPO)
        assert ran.status == 1
        assert "is full" in ran.err
    assert registry.specs() == ()
    assert cli("pull", REPO).status == 0


def test_at_least_forty_faults_are_tried() -> None:
    assert len(OVERCOME) + len(FAILED) + len(API) + len(ABOUT) >= 40
