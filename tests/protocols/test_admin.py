"""Tests /admin: models registered, removed, loaded, unloaded and looked for, over HTTP and real files."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.certificates import self_signed
from tests.gguf_files import STRING, Gguf
from tests.protocols.conftest import House, serving

JSON = {"Content-Type": "application/json"}


Answer = tuple[int, Any, Mapping[str, str]]


async def admin(house: House, settings: Settings, method: str, path: str, body: Any = None) -> Answer:
    token = settings.admin_token_file.read_text().strip()
    data = None if body is None else json.dumps(body)
    return await house.ask(method, f"/admin/{path}", data, **JSON, Authorization=f"Bearer {token}")


async def test_add_is_durable_and_at_once_in_use(
    house: House, settings: Settings, registry: Registry, model: Path
) -> None:
    new = {"name": "small", "path": str(model), "stop": ["</s>", "終"], "n_ctx": 2048, "temperature": 0.5}
    status, body, _ = await admin(house, settings, "POST", "models", new)
    assert status == 200
    assert body.pop("created") > 1_700_000_000
    assert body == {**new, "source": "registry", "replaced": False, "reloads": False}
    spec = registry.resolve("small")
    assert (spec.file, spec.stop, spec.options.n_ctx, spec.sampling.given()["temperature"]) == (
        model, ("</s>", "終"), 2048, 0.5,
    )  # fmt: skip
    assert [item["id"] for item in (await house.ask("GET", "/v1/models"))[1]["data"]] == ["tiny", "small"]
    status, body, _ = await admin(house, settings, "POST", "models", {"name": "small", "path": str(model)})
    assert (status, body["replaced"], body["stop"], body["n_ctx"]) == (200, True, ["</s>", "終"], 2048)
    status, body, _ = await admin(house, settings, "POST", "models", {**new, "stop": []})
    assert (status, body["stop"]) == (200, [])


async def test_remove_leaves_the_file(house: House, settings: Settings, registry: Registry, model: Path) -> None:
    registry.add("small", model)
    status, body, _ = await admin(house, settings, "DELETE", "models/small")
    assert (status, body) == (200, {"name": "small", "removed": True})
    assert model.exists()
    status, body, _ = await admin(house, settings, "DELETE", "models/small")
    assert (status, body["error"]["code"]) == (404, "model_not_found")


async def test_listing_is_what_is_registered(house: House, settings: Settings, registry: Registry, model: Path) -> None:
    registry.add("small", model, ["x"])
    raw = json.loads(registry.file.read_text())
    registry.file.write_text(json.dumps({**raw, "bad": 7}))
    status, body, _ = await admin(house, settings, "GET", "models")
    assert status == 200
    assert body["file"] == str(settings.model_map_file)
    assert [(item["name"], item["path"], item["stop"]) for item in body["models"]][1:] == [("small", str(model), ["x"])]
    assert len(body["problems"]) == 1
    assert "bad" in body["problems"][0]


@pytest.mark.parametrize(
    "label", ["../x", "a/../b", ".hidden", "/etc/passwd", "a\\b", "a b", "", "x" * 129, "星", "a\0b", "-rf", "a\nb"]
)
async def test_a_label_is_never_a_path(
    house: House, settings: Settings, registry: Registry, model: Path, label: str
) -> None:
    before = registry.file.read_bytes()
    status, body, _ = await admin(house, settings, "POST", "models", {"name": label, "path": str(model)})
    assert (status, body["error"]["code"]) == (400, "validation_error")
    assert registry.file.read_bytes() == before


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e%2fx", "..%2f..%2fx", "tiny%00", "x/", "tiny/../tiny2"])
async def test_what_is_removed_is_a_label_too(house: House, settings: Settings, registry: Registry, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    token = settings.admin_token_file.read_text().strip()
    head = f"DELETE /admin/models/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    assert status in (400, 404)
    assert [spec.label for spec in registry.specs()] == ["tiny"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": None}, "name"),
        ({"path": None}, "path"),
        ({"path": ""}, "path"),
        ({"path": "small.gguf"}, "path"),
        ({"path": "~/small.gguf"}, "path"),
        ({"path": "/a\0b"}, "path"),
        ({"path": 5}, "path"),
        ({"stop": "x"}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"n_ctx": "many"}, "n_ctx"),
        ({"temperature": 9}, "temperature"),
    ],
)
async def test_wrong_bodies(
    house: House, settings: Settings, registry: Registry, model: Path, change: dict[str, Any], param: str
) -> None:
    body = {"name": "small", "path": str(model), **change}
    status, answered, _ = await admin(house, settings, "POST", "models", body)
    assert (status, answered["error"]["param"]) == (400, param)
    assert [spec.label for spec in registry.specs()] == ["tiny"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"GGUF", "gguf_invalid"),
        (None, "gguf_invalid"),
        (Gguf().with_pair("general.type", STRING, "adapter").content(), "gguf_invalid"),
    ],
)
async def test_a_bad_file_is_refused_by_name(
    house: House, settings: Settings, registry: Registry, tmp_path: Path, content: bytes | None, code: str
) -> None:
    bad = tmp_path / "bad.gguf"
    if content is not None:
        bad.write_bytes(content)
    status, body, _ = await admin(house, settings, "POST", "models", {"name": "bad", "path": str(bad)})
    assert (status, body["error"]["code"]) == (400, code)
    assert str(bad) in body["error"]["message"]
    assert [spec.label for spec in registry.specs()] == ["tiny"]


async def test_a_damaged_registry_is_not_written_over(
    house: House, settings: Settings, registry: Registry, model: Path
) -> None:
    registry.file.write_text("{")
    status, body, _ = await admin(house, settings, "POST", "models", {"name": "small", "path": str(model)})
    assert (status, body["error"]["code"]) == (400, "registry_damaged"), "a 5xx would be tried again"
    assert registry.file.read_text() == "{"


async def test_reload_says_what_is_different(
    house: House, settings: Settings, registry: Registry, model: Path, tmp_path: Path
) -> None:
    nothing: dict[str, Any] = {"added": [], "removed": [], "changed": [], "problems": []}
    status, body, _ = await admin(house, settings, "POST", "reload")
    assert (status, body) == (200, {"file": str(registry.file), **nothing, "certificate_reloaded": False})
    registry.add("small", model)
    registry.add("tiny", tmp_path / "tiny.gguf", ["other"])
    registry.add("gone", model)
    _, body, _ = await admin(house, settings, "POST", "reload", {})
    assert (body["added"], body["removed"], body["changed"]) == (["small", "gone"], [], ["tiny"])
    registry.remove("gone")
    _, body, _ = await admin(house, settings, "POST", "reload", {})
    assert (body["added"], body["removed"], body["changed"]) == ([], ["gone"], [])


@pytest.mark.process
async def test_reload_renews_the_certificate(settings: Settings, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    async with serving(replace(settings, tls_cert_file=cert, tls_key_file=key)) as house:
        token = settings.admin_token_file.read_text().strip()
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        shown = [await certificate_shown(house.port)]
        self_signed(tmp_path)
        shown.append(await certificate_shown(house.port))
        async with house.session.post(f"{house.url}/admin/reload", headers=headers, ssl=False) as response:
            assert (await response.json())["certificate_reloaded"] is True
        shown.append(await certificate_shown(house.port))
        cert.write_text("damaged")
        async with house.session.post(f"{house.url}/admin/reload", headers=headers, ssl=False) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "setting_invalid")
        shown.append(await certificate_shown(house.port))
    assert shown[0] == shown[1] != shown[2] == shown[3]


async def certificate_shown(port: int) -> bytes:
    """Returns the certificate shown to a client that comes now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return bytes(found)


async def test_load_and_unload(house: House, settings: Settings) -> None:
    assert (await admin(house, settings, "POST", "unload"))[1] == {"name": None, "unloaded": False}
    status, body, _ = await admin(house, settings, "POST", "models/tiny/load", {})
    assert (status, body) == (200, {"name": "tiny", "loaded": True})
    assert house.dispatcher.loaded == ["tiny"]
    house.dispatcher.busy = True
    status, body, _ = await admin(house, settings, "POST", "unload", {})
    assert (status, body["error"]["code"]) == (400, "validation_error")
    house.dispatcher.busy = False
    assert (await admin(house, settings, "POST", "unload", {}))[1] == {"name": "tiny", "unloaded": True}
    house.dispatcher.loaded = ["tiny", "other"]
    for unloaded in (True, False):
        told = (await admin(house, settings, "POST", "models/tiny/unload", {}))[1]
        assert (told, house.dispatcher.loaded) == ({"name": "tiny", "unloaded": unloaded}, ["other"])
    status, body, _ = await admin(house, settings, "POST", "models/none/load", {})
    assert (status, body["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["models", "reload", "unload", "models/tiny/load", "models/tiny/unload"])
async def test_only_json_is_taken(house: House, settings: Settings, path: str) -> None:
    token = settings.admin_token_file.read_text().strip()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"Content-Type": kind, "Authorization": f"Bearer {token}"}
        status, body, _ = await house.ask("POST", f"/admin/{path}", "{}", **headers)
        assert (status, body["error"]["code"]) == (415, "unsupported_media_type")
    status, _, _ = await house.ask("POST", f"/admin/{path}", "{}", **{"Content-Type": "text/plain"})
    assert status == 401, "the token comes before all else"


@pytest.mark.parametrize("path", ["reload", "unload", "models/tiny/load", "models/tiny/unload"])
async def test_a_body_that_would_be_ignored_is_refused(house: House, settings: Settings, path: str) -> None:
    bodies: list[Any] = [[], {"name": "x"}, "x", [None]]
    for body in bodies:
        status, _, _ = await admin(house, settings, "POST", path, body)
        assert status == 400
    assert house.dispatcher.loaded == []


async def test_a_page_cannot_administer_even_with_the_token(house: House, settings: Settings) -> None:
    token = settings.admin_token_file.read_text().strip()
    for more in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        headers = {**JSON, "Authorization": f"Bearer {token}", **more}
        assert (await house.ask("POST", "/admin/unload", "{}", **headers))[0] == 403
    status, _, headers_ = await house.ask("GET", "/admin/models", Authorization=f"Bearer {token}")
    assert status == 200
    assert not [name for name in headers_ if name.lower().startswith("access-control")]


async def test_an_empty_registry_says_how_to_fill_it(settings: Settings) -> None:
    async with serving(settings, stored=False) as house:
        body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]})
        status, answered, _ = await house.chat(body, **{"Accept-Language": "en"})
    assert (status, answered["error"]["code"], answered["error"]["param"]) == (404, "model_not_found", "model")
    assert "no model is yet" in answered["error"]["message"]
    assert "hoshikage add" in answered["error"]["message"]
