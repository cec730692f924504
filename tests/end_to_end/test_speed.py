"""Tests what makes answers faster, as a user turns it on: real server, real library, the real SDK; and `hoshikage
bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ

QUESTIONS: Final = ("星影とは何ですか？", "こんにちは", "How do I add my own model?", "Who are you?")


def ask(url: str, question: str, **more: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        return client.chat.completions.create(**asked(question), **more)


def streamed(url: str, question: str) -> str:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        chunks = client.chat.completions.create(**asked(question), stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def asked(question: str) -> Any:
    turns = [{"role": "user", "content": question}]
    return {"model": LABEL, "messages": turns, "temperature": 0, "max_tokens": 60}


def bench(environ: dict[str, str], port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hoshikage", "bench", *arguments, "--port", str(port)],
        env={**os.environ, **environ}, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


def test_several_clients_get_the_answers_that_each_gets_alone(
    tmp_path: Path, library_file: Path, demo_model: Path
) -> None:
    environ = home_environ(tmp_path, library_file, N_PARALLEL="4")
    register(tmp_path, {LABEL: demo_model})
    with LiveServer(environ) as live:
        alone = [streamed(live.url, question) for question in QUESTIONS]
        with ThreadPoolExecutor(8) as pool:
            together = [*pool.map(lambda question: streamed(live.url, question), QUESTIONS * 4)]
        assert together == alone * 4
        several = ask(live.url, QUESTIONS[2], n=3)
        assert [choice.message.content for choice in several.choices] == [alone[2]] * 3
        assert [choice.index for choice in several.choices] == [0, 1, 2]


def test_a_kept_prompt_is_counted_and_changes_no_answer(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    environ = home_environ(tmp_path, library_file)
    register(tmp_path, {LABEL: demo_model})
    with LiveServer(environ) as live:
        plain = ask(live.url, QUESTIONS[0])
        assert plain.usage.prompt_tokens_details.cached_tokens == 0
        first = ask(live.url, QUESTIONS[0], extra_body={"cache_prompt": True})
        again = ask(live.url, QUESTIONS[0], extra_body={"cache_prompt": True, "timings": True})
        prompt = again.usage.prompt_tokens
        assert first.usage.prompt_tokens_details.cached_tokens == 0
        assert again.usage.prompt_tokens_details.cached_tokens == prompt - 1
        assert (again.timings["cache_n"], again.timings["prompt_n"]) == (prompt - 1, 1)
        assert again.timings["load_ms"] >= 0 <= again.timings["queue_ms"]
        forgotten = ask(live.url, QUESTIONS[0])
        assert forgotten.usage.prompt_tokens_details.cached_tokens == 0
        texts = {answer.choices[0].message.content for answer in (plain, first, again, forgotten)}
        assert len(texts) == 1


def test_a_draft_model_guesses_and_its_acceptance_is_told(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    environ = home_environ(tmp_path, library_file)
    command = [sys.executable, "-m", "hoshikage", "add", str(demo_model), LABEL, "--draft", str(demo_model)]
    subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True, timeout=60)
    with LiveServer(environ) as live:
        told = ask(live.url, QUESTIONS[2], extra_body={"timings": True})
        assert told.choices[0].message.content.startswith("Register a model")
        assert told.timings["draft_n"] >= told.timings["draft_n_accepted"] > 0


@pytest.mark.parametrize("other", ["another vocabulary", "no file"])
def test_a_draft_of_another_kind_is_refused_when_it_is_registered(
    tmp_path: Path, library_file: Path, demo_model: Path, files: dict[str, Path], other: str
) -> None:
    draft = files["mean"] if other == "another vocabulary" else tmp_path / "none.gguf"
    command = [sys.executable, "-m", "hoshikage", "add", str(demo_model), LABEL, "--draft", str(draft)]
    environ = {**os.environ, **home_environ(tmp_path, library_file)}
    ran = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0
    assert str(draft) in ran.stderr
    assert not (tmp_path / ".config" / "hoshikage" / "model_map.json").exists()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    from tests.small_models import write_encoder

    return {"mean": write_encoder(tmp_path / "mean.gguf", 1)}


@pytest.mark.parametrize("served", [False, True], ids=["own runner", "server"])
def test_bench_measures_a_model(tmp_path: Path, library_file: Path, demo_model: Path, served: bool) -> None:
    environ = home_environ(tmp_path, library_file)
    register(tmp_path, {LABEL: demo_model})
    if served:
        with LiveServer(environ) as live:
            ran = bench(environ, live.port, "--json", "--tokens", "40", "--runs", "2")
    else:
        ran = bench(environ, 1, "--json", "--tokens", "40", "--runs", "2")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["label"], found["where"], found["tokens"]) == (LABEL, "server" if served else "own", 40)
    rate = found["tokens_per_second"]
    assert 0 < rate["minimum"] <= rate["median"] <= rate["maximum"]
    assert [prompt["tokens"] for prompt in found["prompts"]] == sorted({one["tokens"] for one in found["prompts"]})
    assert all(prompt["ms"] > 0 for prompt in found["prompts"])
    assert found["load_ms"] > 0 < found["first_token_ms"]
    assert found["library"] == "v0.5.0"


def test_bench_says_which_models_there_are(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    ran = bench(home_environ(tmp_path, library_file), 1)
    assert (ran.returncode, "hoshikage add" in ran.stderr) == (2, True)
    register(tmp_path, {"one": demo_model, "two": demo_model})
    ran = bench(home_environ(tmp_path, library_file), 1)
    assert (ran.returncode, "one, two" in ran.stderr) == (2, True)
    ran = bench(home_environ(tmp_path, tmp_path / "none.so"), 1, "one")
    assert (ran.returncode, ran.stderr.count("none.so")) == (1, 1)
    ran = bench(home_environ(tmp_path, library_file), 1, "nothing")
    assert ran.returncode == 1
    assert "nothing" in ran.stderr
    ran = bench(home_environ(tmp_path, library_file), 1, "--runs", "0")
    assert (ran.returncode, "--runs" in ran.stderr) == (2, True)
