"""Tests a model's projector: given, found beside it, kept, taken away, counted; and pictures of `run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage import gguf
from hoshikage.dispatch.client import digest
from hoshikage.params import ChatPrompt, GenerationRequest, Medium, Message
from hoshikage.registry import Registry
from tests.cli.conftest import Cli
from tests.gguf_files import STRING, U32, Gguf
from tests.media_samples import projector


def own(registry: Registry, label: str = "star") -> str | None:
    return registry.resolve(label).options.mmproj


@pytest.mark.process
class TestAdd:
    def test_one_that_is_given(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        file = projector(audio=False).write(work / "eyes.gguf")
        ran = cli("add", model, "star", "--mmproj", "eyes.gguf")
        assert ran.out.endswith("with its projector eyes.gguf: it reads pictures\n")
        assert own(registry) == str(file)
        assert "mmproj=eyes.gguf" in " ".join(cli("list").out.split())
        plain, both = (cli("add", model, "--check", "--json", *more).data for more in ((), ("--mmproj", "eyes.gguf")))
        assert both["memory"]["total"] == plain["memory"]["total"] + file.stat().st_size

    def test_one_that_lies_beside_the_model(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        file = projector().write(work / "mmproj-star-f16.gguf")
        assert "it reads pictures, sound" in cli("add", model, "star").out
        assert own(registry) == str(file)
        assert cli("add", model, "star", "--mmproj", "").status == 0
        assert own(registry) is None

    def test_what_was_given_is_kept(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        file = projector().write(work / "eyes.gguf")
        cli("add", model, "star", "--mmproj", "eyes.gguf")
        projector().write(work / "mmproj.gguf")
        assert cli("add", model, "star", "--n-ctx", "128").status == 0
        assert own(registry) == str(file)

    def test_what_is_kept_is_not_warned_of(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        bare = Gguf().without("tokenizer.chat_template").without("tokenizer.ggml.tokens").write(work / "bare.gguf")
        file = projector(audio=False).write(work / "mmproj-a.gguf")
        projector().write(work / "mmproj-b.gguf")
        first = cli("add", bare, "star", "--chat-template", "chatml", "--mmproj", "mmproj-a.gguf").out
        again = cli("add", bare, "star", "--n-ctx", "64").out
        assert "warning" not in again
        assert "There are projectors" not in again
        assert again.splitlines()[1:] == first.splitlines()[1:]
        other = cli("add", bare, "sky").out
        assert "warning" in other
        assert "There are projectors" in other
        file.unlink()
        gone = cli("add", bare, "star", "--n-ctx", "128")
        assert (gone.status, "warning: " in gone.out, "mmproj-a.gguf" in gone.out) == (0, True, True)
        assert own(registry) == str(file)

    def test_a_kept_template_that_is_gone_is_told(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        (work / "own.jinja").write_text("{{ messages }}")
        cli("add", model, "star", "--chat-template", "own.jinja")
        (work / "own.jinja").unlink()
        ran = cli("add", model, "star", "--n-ctx", "64")
        assert (ran.status, "own.jinja" in ran.out) == (0, True)
        assert registry.resolve("star").options.n_ctx == 64

    def test_one_that_the_library_cannot_use_is_told(
        self, cli: Cli, model: Path, work: Path, monkeypatch: pytest.MonkeyPatch, library_file: Path
    ) -> None:
        library = work / "lib-here" / "libllama.so"
        library.parent.mkdir()
        library.symlink_to(library_file)
        projector(audio=False).write(work / "eyes.gguf")
        monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library))
        words = f"there is no libmtmd in {library.parent}"
        assert words in cli("add", model, "star", "--mmproj", "eyes.gguf").out
        findings = [one for one in cli("doctor", "--json").data["findings"] if one["subject"] == "model"]
        assert [(one["state"], words in one["advice"]) for one in findings] == [("warning", True)]
        (library.parent / "libmtmd.so").write_bytes(b"\x7fELF")
        assert "libmtmd" not in cli("add", model, "star", "--mmproj", "eyes.gguf").out
        findings = [one for one in cli("doctor", "--json").data["findings"] if one["subject"] == "model"]
        assert [one["state"] for one in findings] == ["ok"]

    def test_of_several_none_is_taken(self, cli: Cli, model: Path, work: Path, registry: Registry) -> None:
        for name in ("mmproj-a.gguf", "mmproj-b.gguf"):
            projector().write(work / name)
        assert "mmproj-a.gguf, mmproj-b.gguf" in cli("add", model, "star").out
        assert own(registry) is None

    def test_what_is_none(self, cli: Cli, model: Path, registry: Registry) -> None:
        ran = cli("add", model, "star", "--mmproj", model)
        assert (ran.status, "is no projector (mmproj)" in ran.err) == (2, True)
        assert registry.specs() == ()


def test_one_of_another_model_s_folder_is_let_be(tmp_path: Path) -> None:
    file = Gguf().write(tmp_path / "star-Q4_0.gguf")
    beside = projector().write(tmp_path / "mmproj.gguf")
    Gguf().write(tmp_path / "star-Q8_0.gguf")
    assert gguf.projector_of(file, gguf.read(file)) == beside
    Gguf().with_pair("llama.embedding_length", U32, 77).write(tmp_path / "moon.gguf")
    assert gguf.projector_of(file, gguf.read(file)) is None


def test_the_first_projectors_read_pictures() -> None:
    assert gguf.is_projector("Star-mmproj-F16.GGUF")
    assert not gguf.is_projector("star.gguf")


def test_a_folder_s_only_model_has_its_only_projector(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Gguf().write(tmp_path / name / f"{name}.gguf")
        projector().write(tmp_path / name / "mmproj.gguf")
    Gguf().with_pair("general.name", STRING, "b").write(tmp_path / "two" / "three.gguf")
    registry = Registry(tmp_path / "model_map.json", tmp_path)
    assert own(registry, "one") == str(tmp_path / "one" / "mmproj.gguf")
    assert own(registry, "two") is None


def test_a_request_is_known_again_by_its_pictures_and_not_by_their_marks() -> None:
    def request(data: bytes, mark: str) -> GenerationRequest:
        medium = Medium("image", data, data.hex(), mark)
        return GenerationRequest(ChatPrompt((Message("user", f"a {mark}"),), media=(medium,)))

    first, again, other = (digest("m", one) for one in (request(b"a", "1"), request(b"a", "2"), request(b"b", "1")))
    assert first == again != other
    assert digest("m", replace(request(b"a", "1"), max_tokens=5)) != first
