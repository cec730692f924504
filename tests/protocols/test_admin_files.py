"""Tests which files the bodies of /admin's POSTs may name, over HTTP: none that would show its content to others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hoshikage.registry import OwnOptions, Registry
from hoshikage.registry.template import MAX_TEMPLATE_BYTES
from hoshikage.settings import Settings
from tests.protocols.conftest import House
from tests.protocols.test_admin import admin

SECRET = "root:x:0:0:nobody else's business"


async def added(house: House, settings: Settings, model: Path, **options: Any) -> tuple[int, dict[str, Any]]:
    body = {"name": "small", "path": str(model), **options}
    status, answer, _ = await admin(house, settings, "POST", "models", body)
    return status, answer


async def told(house: House) -> str:
    """Returns the chat template that whoever asks is told, without a token."""
    return str((await house.ask("GET", "/props?model=small"))[1]["chat_template"])


@pytest.mark.parametrize("name", ["secret", "secret.txt", ".jinja", "a.jinja/secret", "x.jinja.bak", "small.gguf"])
async def test_a_text_that_does_not_call_itself_a_template_is_never_shown(
    house: House, settings: Settings, registry: Registry, model: Path, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere" / name
    file.parent.mkdir(parents=True)
    file.write_text(SECRET)
    status, answer = await added(house, settings, model, chat_template=str(file))
    assert (status, answer["error"]["param"]) == (400, "chat_template")
    assert ".jinja" in answer["error"]["message"]
    assert SECRET not in str(answer)
    assert registry.known("small") is None


@pytest.mark.process
@pytest.mark.parametrize("name", ["own.jinja", "own.JINJA2", "own.j2"])
async def test_a_template_is_taken_from_anywhere(
    house: House, settings: Settings, model: Path, name: str, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    (tmp_path / name).symlink_to(tmp_path / "blob")  # as a download cache has them
    status, answer = await added(house, settings, model, chat_template=str(tmp_path / name))
    assert (status, answer["chat_template"]) == (200, str(tmp_path / name))
    assert await told(house) == (tmp_path / "blob").read_text()


@pytest.mark.process
async def test_what_the_user_has_named_himself_is_kept_and_may_be_named_again(
    house: House, settings: Settings, registry: Registry, model: Path, tmp_path: Path
) -> None:
    own, other = tmp_path / "template.txt", tmp_path / "other.txt"
    own.write_text("{{ messages }}")
    other.write_text(SECRET)
    registry.add("small", model, None, OwnOptions({"chat_template": str(own)}))
    assert (await added(house, settings, model, n_ctx=64))[1]["chat_template"] == str(own)
    assert (await added(house, settings, model, chat_template=str(own)))[0] == 200
    assert (await added(house, settings, model, chat_template=str(other)))[0] == 400
    assert "chat_template" not in (await added(house, settings, model, chat_template=""))[1]


@pytest.mark.process
@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * (MAX_TEMPLATE_BYTES + 1), b"{% if %}", b"{{ 'a'"])
async def test_a_file_that_is_no_template_is_refused(
    house: House, settings: Settings, registry: Registry, model: Path, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.jinja").write_bytes(content)
    status, answer = await added(house, settings, model, chat_template=str(tmp_path / "x.jinja"))
    assert (status, "x.jinja" in answer["error"]["message"]) == (400, True)
    assert registry.known("small") is None


async def test_what_is_no_file_is_refused(
    house: House, settings: Settings, registry: Registry, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.jinja").mkdir()
    (tmp_path / "zeros.jinja").symlink_to("/dev/zero")
    names = ["absent.jinja", "folder.jinja", "zeros.jinja"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jinja")
        names.append("pipe.jinja")
    for name in names:
        status, answer = await added(house, settings, model, chat_template=str(tmp_path / name))
        assert (status, name in answer["error"]["message"]) == (400, True), name
    assert registry.known("small") is None


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("chat_template", "x.jinja", "chat_template"),
        ("chat_template", "~/x.jinja", "chat_template"),
        ("draft", "small.gguf", "draft"),
        ("mmproj", "small.gguf", "mmproj"),
        ("lora", ["small.gguf:0.5"], "lora[0]"),
        ("control_vector", ["small.gguf"], "control_vector[0]"),
    ],
)
async def test_no_path_is_taken_from_the_servers_working_folder(
    house: House,
    settings: Settings,
    registry: Registry,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: object,
    param: str,
) -> None:
    monkeypatch.chdir(model.parent)
    (model.parent / "x.jinja").write_text("{{ messages }}")
    status, answer = await added(house, settings, model, **{name: value})
    assert (status, answer["error"]["param"]) == (400, param)
    assert registry.known("small") is None
    if name in ("lora", "control_vector"):
        persona = {"name": "poet", "model": "tiny", "system": "You rhyme.", name: value}
        status, answer, _ = await admin(house, settings, "POST", "personas", persona)
        assert (status, answer["error"]["param"]) == (400, param)
    if name == "mmproj":
        status, answer, _ = await admin(house, settings, "POST", "models/check", {"path": str(model), name: value})
        assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize("name", ["draft", "mmproj", "lora", "control_vector"])
async def test_all_else_is_gguf_and_shows_nothing(
    house: House, settings: Settings, registry: Registry, model: Path, name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.gguf").write_text(SECRET)
    file = str(tmp_path / "secret.gguf")
    status, answer = await added(
        house, settings, model, **{name: [file] if name in ("lora", "control_vector") else file}
    )
    assert (status, answer["error"]["code"]) == (400, "gguf_invalid")
    assert "nobody" not in str(answer)
    assert registry.known("small") is None


async def test_a_template_of_the_models_own_must_be_there(
    house: House, settings: Settings, registry: Registry, model: Path
) -> None:
    status, answer = await added(house, settings, model, chat_template="gguf:absent")
    assert (status, "absent" in answer["error"]["message"]) == (400, True)
    assert (await added(house, settings, model, chat_template="chatml"))[0] == 200
