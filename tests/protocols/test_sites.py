"""Tests the listening server: TLS with a real certificate, a real Unix socket, sockets handed over, other names."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hoshikage.errors import HoshikageError, SettingInvalid, Unavailable, UsageError
from hoshikage.http import listeners
from hoshikage.settings import Settings
from tests.certificates import self_signed
from tests.protocols.conftest import serving

CHAT = '{"model": "tiny", "messages": [{"role": "user", "content": "x"}]}'


@pytest.fixture
def secured(settings: Settings, tmp_path: Path) -> Settings:
    cert, key = self_signed(tmp_path)
    return replace(settings, tls_cert_file=cert, tls_key_file=key)


class TestTls:
    @pytest.mark.process
    async def test_https_is_served(self, secured: Settings) -> None:
        async with serving(secured) as house:
            assert house.url.startswith("https://127.0.0.1:")
            trusted = ssl.create_default_context(cafile=str(secured.tls_cert_file))
            async with house.session.get(f"{house.url}/v1/models", ssl=trusted) as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await house.session.get(f"{house.url}/v1/models")
            with pytest.raises(aiohttp.ClientError):
                await house.session.get(house.url.replace("https", "http"))

    @pytest.mark.process
    async def test_a_renewed_certificate_is_read_on_request(self, secured: Settings, tmp_path: Path) -> None:
        tls = listeners.tls_context(secured)
        assert tls is not None
        async with serving(secured) as house:
            (tmp_path / "new").mkdir()
            cert, key = self_signed(tmp_path / "new")
            new = replace(secured, tls_cert_file=cert, tls_key_file=key)
            listeners.load_certificate(tls, new)
            with pytest.raises(SettingInvalid):
                listeners.load_certificate(tls, replace(new, tls_key_file=secured.tls_key_file))
            assert house.url

    @pytest.mark.process
    @pytest.mark.parametrize(
        ("cert", "key", "words"),
        [
            ("cert", None, "http.tls_half"),
            (None, "key", "http.tls_half"),
            ("cert", "absent", "http.tls_unreadable"),
            ("absent", "key", "http.tls_unreadable"),
            ("key", "cert", "http.tls_files"),
            ("cert", "other", "http.tls_files"),
            ("cert", "locked", "http.tls_files"),
            ("empty", "key", "http.tls_files"),
        ],
    )
    def test_what_cannot_be_used_is_told(
        self, settings: Settings, tmp_path: Path, cert: str | None, key: str | None, words: str
    ) -> None:
        files = dict(zip(("cert", "key"), self_signed(tmp_path), strict=True))
        (tmp_path / "second").mkdir()
        files["other"] = self_signed(tmp_path / "second")[1]
        files["absent"] = tmp_path / "absent.pem"
        files["empty"] = tmp_path / "empty.pem"
        files["empty"].touch()
        files["locked"] = tmp_path / "locked.pem"
        command: list[str | Path] = [
            "openssl",
            "ec",
            "-in",
            files["key"],
            "-aes256",
            "-passout",
            "pass:secret",
            "-out",
            files["locked"],
        ]
        subprocess.run(command, check=True, capture_output=True)
        chosen = replace(
            settings, tls_cert_file=files[cert] if cert else None, tls_key_file=files[key] if key else None
        )
        with pytest.raises(SettingInvalid) as caught:
            listeners.tls_context(chosen)
        assert caught.value.key == words


class TestUnixSocket:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "s"

    @pytest.fixture
    async def client(self, settings: Settings, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
        chosen = replace(settings, unix_socket=path, require_token="always", rate_limit_requests=1)
        async with serving(chosen), aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            yield session

    async def test_this_user_needs_no_token_and_no_name(self, client: aiohttp.ClientSession, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for _ in range(3):  # nor has it limits
            async with client.post(
                "http://anything.example/v1/chat/completions", data=CHAT, headers={"Content-Type": "application/json"}
            ) as response:
                assert response.status == 200
        async with client.get("http://x/admin/models") as response:
            assert [model["name"] for model in (await response.json())["models"]] == ["tiny"]

    async def test_tcp_beside_it_still_asks(self, settings: Settings, path: Path) -> None:
        async with serving(replace(settings, unix_socket=path)) as house:
            assert (await house.ask("GET", "/admin/models"))[0] == 401
            assert (await house.ask("GET", "/health", Host="evil.example"))[0] == 403

    async def test_a_stale_socket_is_replaced(self, settings: Settings, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        async with (
            serving(replace(settings, unix_socket=path)),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.get("http://x/health") as response,
        ):
            assert response.status == 200

    def test_one_in_use_is_left_alone(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            with pytest.raises(Unavailable) as caught:
                listeners.unix_socket(path)
            assert caught.value.key == "http.socket_in_use"
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    @pytest.mark.parametrize("kind", ["file", "folder", "link", "long"])
    def test_what_is_no_socket_is_left_alone(self, path: Path, kind: str) -> None:
        if kind == "file":
            path.write_text("precious")
        elif kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to("elsewhere")
        else:
            path = path.with_name("x" * 200)
        with pytest.raises(UsageError) as caught:
            listeners.unix_socket(path)
        assert caught.value.key == "http.socket_refused"
        if kind == "file":
            assert path.read_text() == "precious"

    def test_the_umask_is_as_it_was(self, path: Path) -> None:
        before = os.umask(0o022)
        os.umask(before)
        listeners.unix_socket(path).close()
        after = os.umask(before)
        assert after == before


class TestHandedOver:
    def test_whether_others_reach_it_is_told_by_the_socket(self, settings: Settings, tmp_path: Path) -> None:
        everybodys = replace(settings, host="0.0.0.0")
        with socket.create_server(("127.0.0.1", 0)) as local, socket.create_server(("0.0.0.0", 0)) as open_:
            assert not listeners.is_exposed(everybodys, [local])
            assert listeners.is_exposed(settings, [local, open_])
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(tmp_path / "handed"))
            assert listeners.is_exposed(settings, [other]), "not of our making: its mode may let anybody in"


async def test_names_of_allowed_hosts(settings: Settings) -> None:
    async with serving(replace(settings, allowed_hosts=("box.local", "fd00::1"))) as house:
        for host, status in (("box.local", 200), ("BOX.local:80", 200), ("[fd00::1]:3030", 200), ("xbox.local", 403),
                             ("192.168.1.5", 403)):  # fmt: skip
            assert (await house.ask("GET", "/health", Host=host))[0] == status
        assert (await house.ask("GET", "/health", Origin="https://box.local"))[0] == 200


async def test_a_rebound_name_reaches_nothing(settings: Settings) -> None:
    """The page's own name leads to 127.0.0.1, so for the browser it is the same site: the Host header tells."""
    async with serving(settings) as house:
        headers = {"Host": f"rebound.example:{house.port}", "Origin": f"http://rebound.example:{house.port}",
                   "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}  # fmt: skip
        for method, path in (("POST", "/v1/chat/completions"), ("POST", "/admin/models"), ("GET", "/v1/status")):
            status, body, _ = await house.ask(method, path, CHAT if method == "POST" else None, **headers)
            assert (status, body["error"]["code"]) == (403, "permission_denied")
        assert house.dispatcher.asked == []


async def test_an_address_that_cannot_be_had(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError) as caught:  # noqa: PT011 - see errno
        async with serving(replace(settings, port=taken.getsockname()[1])):
            await asyncio.sleep(0)
    assert caught.value.errno == errno.EADDRINUSE
    assert not isinstance(caught.value, HoshikageError)
