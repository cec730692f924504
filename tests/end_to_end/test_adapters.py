"""Tests LoRA adapters through a real server: of models, personas, single requests, and llama-server's
/lora-adapters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hoshikage.registry import Registry, own_options, persona_options
from tests.adapter_files import write_control_vector, write_lora, write_merged
from tests.end_to_end.live import LiveServer, home_environ

pytestmark = pytest.mark.process
INVOCATION = (270, 271, 272)
TRUTHS = {
    "plain": ({}, {}),
    "one": ({1: 1.0}, {}),
    "two": ({2: 1.0}, {}),
    "half": ({1: 0.5}, {}),
    "calm": ({}, {5: 2.0}),
}
"""Maps the label of a model that has the adapters in its weights to their seeds and scales."""


@pytest.fixture(scope="module")
def adapted(
    tmp_path_factory: pytest.TempPathFactory, library_file: Path
) -> Iterator[tuple[LiveServer, dict[str, str]]]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    config = home / ".config" / "hoshikage"
    config.mkdir(parents=True)
    registry = Registry(config / "model_map.json")
    for label, (lora, vectors) in TRUTHS.items():
        registry.add(label, write_merged(folder / f"{label}.gguf", lora, vectors), ())
    one, two = (str(write_lora(folder / f"lora-{seed}.gguf", seed)) for seed in (1, 2))
    calm = str(write_control_vector(folder / "vector.gguf", 5))
    base = folder / "plain.gguf"
    registry.add("base", base, (), own_options({"lora": [f"{one}:1.0", f"{two}:0.0"]}))
    registry.add("calmed", base, (), own_options({"control_vector": [f"{calm}:2"]}))
    registry.add("lost", base, (), own_options({"lora": [str(folder / "gone.gguf")]}))
    registry.add_persona("poet", "base", "Short.", persona_options({"lora": [two]}))
    registry.add_persona(
        "monk", "base", "Short.", persona_options({"control_vector": [f"{calm}:2"], "lora": [f"{one}:0"]})
    )
    alora = write_lora(folder / "alora.gguf", 1, invocation=INVOCATION)
    registry.add("woken", base, (), own_options({"lora": [str(alora)]}))
    environ = home_environ(home, library_file, N_CTX="256")
    with LiveServer(environ) as live:
        yield live, {label: written(live, label) for label in TRUTHS}


def written(live: LiveServer, model: str, **more: Any) -> str:
    body = {"model": model, "prompt": [261, 270, 290], "temperature": 0, "n_predict": 16, **more}
    answer = httpx.post(f"{live.url}/completion", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["content"])


def admin_token(live: LiveServer) -> str:
    return Path(live.environ["XDG_CONFIG_HOME"], "hoshikage", "admin.token").read_text().strip()


def test_models_personas_and_requests_have_their_own(adapted: tuple[LiveServer, dict[str, str]]) -> None:
    live, truth = adapted
    assert len(set(truth.values())) == len(TRUTHS)
    assert written(live, "base") == truth["one"]
    assert written(live, "poet") == truth["two"]
    assert written(live, "calmed") == truth["calm"]
    assert written(live, "monk") == truth["calm"]
    assert written(live, "base", lora=[]) == truth["plain"]
    assert written(live, "base", lora=[{"id": 0, "scale": 0.5}]) == truth["half"]
    assert written(live, "base", lora=[{"id": 1, "scale": 1}]) == truth["two"]
    assert written(live, "poet", lora=[{"id": 0, "scale": 1}]) == truth["two"]
    assert written(live, "base") == truth["one"]


def test_scales_are_listed_and_changed_for_all(adapted: tuple[LiveServer, dict[str, str]]) -> None:
    live, truth = adapted
    url = f"{live.url}/lora-adapters?model=base"
    told = {"task_name": "", "prompt_prefix": ""}
    listed = [{"id": number, "path": f"lora-{number + 1}.gguf", "scale": 1.0 - number, **told} for number in (0, 1)]
    assert httpx.get(url).json() == listed
    assert httpx.post(url, json=[{"id": 1, "scale": 1.0}]).status_code == 401
    head = {"Authorization": f"Bearer {admin_token(live)}"}
    assert httpx.post(url, json=[{"id": 1, "scale": 1.0}], headers=head).json() == {"success": True}
    assert written(live, "base") == truth["two"]
    assert [one["scale"] for one in httpx.get(url).json()] == [0.0, 1.0]
    assert written(live, "base", lora=[{"id": 0}]) == truth["plain"]  # as llama-server has it: 0
    assert written(live, "base", lora=[{"id": 0}, {"id": 0, "scale": 1.0}]) == truth["one"]  # the last one counts
    choice = {"model": "base", "adapters": [{"id": 0, "scale": 1.0}]}
    assert httpx.post(f"{live.url}/lora-adapters", json=choice, headers=head).status_code == 200
    assert written(live, "base") == truth["one"]


def test_the_words_that_wake_an_adapter_are_listed(adapted: tuple[LiveServer, dict[str, str]]) -> None:
    live, _ = adapted
    (listed,) = httpx.get(f"{live.url}/lora-adapters?model=woken").json()
    words = httpx.post(f"{live.url}/detokenize", json={"model": "woken", "tokens": [*INVOCATION]}).json()["content"]
    assert listed["alora_invocation_tokens"] == [*INVOCATION]
    assert listed["alora_invocation_string"] == words != ""


def test_vectors_have_the_adapters_of_the_model_and_of_the_persona(
    adapted: tuple[LiveServer, dict[str, str]],
) -> None:
    live, _ = adapted

    def vector(model: str) -> list[float]:
        body = {"model": model, "input": "w3 w14"}
        answer = httpx.post(f"{live.url}/v1/embeddings", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return [round(number, 4) for number in answer.json()["data"][0]["embedding"]]

    plain, one, two, calm = map(vector, ("plain", "one", "two", "calm"))
    assert len({*map(tuple, (plain, one, two, calm))}) == 4
    assert [vector(model) for model in ("poet", "monk", "calmed", "woken")] == [two, calm, calm, plain]
    head = {"Authorization": f"Bearer {admin_token(live)}"}
    choice = {"model": "base", "adapters": [{"id": 1, "scale": 1.0}]}
    assert httpx.post(f"{live.url}/lora-adapters", json=choice, headers=head).status_code == 200
    assert vector("base") == two


def test_scales_of_adapters_that_are_others_by_now_are_forgotten(
    adapted: tuple[LiveServer, dict[str, str]], tmp_path: Path
) -> None:
    live, truth = adapted
    head = {"Authorization": f"Bearer {admin_token(live)}"}
    new: dict[str, Any] = {"name": "changing", "path": str(write_merged(tmp_path / "m.gguf", {}, {}))}
    for seed, label in ((1, "one"), (2, "two")):
        lora = [str(write_lora(tmp_path / f"{seed}.gguf", seed))]
        answer = httpx.post(f"{live.url}/admin/models", json={**new, "lora": lora}, headers=head)
        assert answer.status_code == 200, answer.text
        assert written(live, "changing") == truth[label]
        choice = {"model": "changing", "adapters": []}
        assert httpx.post(f"{live.url}/lora-adapters", json=choice, headers=head).status_code == 200
        assert written(live, "changing") == truth["plain"]


def test_a_personas_files_that_are_others_by_now_are_read_anew(
    adapted: tuple[LiveServer, dict[str, str]], tmp_path: Path
) -> None:
    live, truth = adapted
    head = {"Authorization": f"Bearer {admin_token(live)}"}
    lora, vector = tmp_path / "lora.gguf", tmp_path / "vector.gguf"
    own: dict[str, Any] = {"learner": {"lora": [str(lora)]}, "pupil": {"control_vector": [f"{vector}:2"]}}
    answers = []
    for seed, other in ((1, 6), (2, 5)):
        write_lora(lora, seed)
        write_control_vector(vector, other)
        for name, adapters in own.items():
            body = {"name": name, "model": "plain", "system": "x", **adapters}
            assert httpx.post(f"{live.url}/admin/personas", json=body, headers=head).status_code == 200
        answers.append([written(live, name) for name in own])
    assert answers[0][0] == truth["one"]
    assert answers[1] == [truth["two"], truth["calm"]] != answers[0]


def test_an_adapter_that_cannot_be_is_refused_when_a_persona_is_made(
    adapted: tuple[LiveServer, dict[str, str]], tmp_path: Path
) -> None:
    live, _ = adapted
    head = {"Authorization": f"Bearer {admin_token(live)}"}
    other = write_lora(tmp_path / "other.gguf", 1, "qwen2")
    narrow = write_control_vector(tmp_path / "narrow.gguf", 5, width=32)
    body = {"name": "bad", "model": "base", "system": "x", "control_vector": [str(narrow)]}
    answer = httpx.post(f"{live.url}/admin/personas", json=body, headers=head)
    assert (answer.status_code, "narrow.gguf" in answer.text) == (400, True), answer.text
    for file, words in ((other, "qwen2"), (tmp_path / "none.gguf", "none.gguf"), (tmp_path, str(tmp_path))):
        body = {"name": "bad", "model": "base", "system": "x", "lora": [str(file)]}
        answer = httpx.post(f"{live.url}/admin/personas", json=body, headers=head)
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
        body = {"name": "bad", "path": str(tmp_path / "m.gguf"), "lora": [str(file)]}
        write_merged(tmp_path / "m.gguf", {}, {})
        answer = httpx.post(f"{live.url}/admin/models", json=body, headers=head)
        assert (answer.status_code, words in answer.text) == (400, True), answer.text


def test_what_is_not_there_is_refused_by_name(adapted: tuple[LiveServer, dict[str, str]]) -> None:
    live, _ = adapted
    body = {"model": "base", "prompt": "x", "lora": [{"id": 2, "scale": 1}]}
    answer = httpx.post(f"{live.url}/completion", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "lora[0].id")
    answer = httpx.post(f"{live.url}/completion", json={"model": "lost", "prompt": "x"})
    assert answer.status_code == 400
    assert "gone.gguf" in json.dumps(answer.json(), ensure_ascii=False)
