"""Tests the bench's client, figures and models. What it measures is measured by running it."""

from __future__ import annotations

import json
import math
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

import bench
from bench_client import Answer, ask
from bench_models import CONTROL, N_VOCAB, SHAPES, Shape, write
from bench_report import Report, machine, markdown
from bench_targets import targets
from hoshikage import gguf
from screen import Refused, Screen

USAGE = {"prompt_tokens": 9, "completion_tokens": 2}


def _chunk(**values: object) -> bytes:
    return b"data: " + json.dumps({"choices": [], **values}, ensure_ascii=False).encode() + b"\n\n"


def _answering(*pieces: bytes) -> str:
    """Runs a server that gives its one client these pieces, whatever it asks, and returns; its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            while b"}" not in connection.recv(1 << 16):
                continue
            for piece in pieces:
                connection.sendall(piece)

    threading.Thread(target=serve).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_streamed_answer_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    events = [
        _chunk(choices=[{"delta": {"role": "assistant", "content": None}}]),
        _chunk(choices=[{"delta": {"content": "星"}}]).replace(b'": "', b'":"'),
        _chunk(choices=[{"delta": {"content": "影"}}]),
        _chunk(usage=USAGE),
        b"data: [DONE]\n\n",
    ]
    coded = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    answer = ask(_answering(head, *coded, b"0\r\n\r\n"), "こんにちは", 16, stream=True)
    assert (answer.text, answer.tokens, answer.prompt_tokens) == ("星影", 2, 9)
    assert 0 < answer.first_s <= answer.total_s


def test_a_whole_answer_has_no_first_text() -> None:
    body = json.dumps({"choices": [{"message": {"content": "星影"}}], "usage": USAGE}).encode()
    answer = ask(_answering(b"HTTP/1.1 200 OK\r\n\r\n", body), "こんにちは", 16, stream=False)
    assert (answer.text, answer.tokens) == ("星影", 2)
    assert answer.first_s == answer.total_s > 0


def test_a_refusal_is_no_measurement() -> None:
    url = _answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"no library")
    with pytest.raises(Refused) as refused:
        ask(url, "こんにちは", 16, stream=True)
    assert refused.value.details == {"status": "503", "message": "no library"}


def test_a_round_is_summed_and_what_differs_is_refused() -> None:
    report = Report("tiny")
    bare, served = Answer("ab", 11, 5, 0.5, 1.5), Answer("ab", 11, 5, 0.6, 2.1)
    answers = {"own": [bare, bare], "argmax": [bare, bare], "streamed": [served, served], "plain": [served, served]}
    bench._add_round(report, answers, ["ab", "ab"])
    assert report.tokens == 22
    assert report.decode == {"own": [10.0], "argmax": [10.0], "streamed": [pytest.approx(20 / 3)]}
    assert report.end_to_end["plain"] == [pytest.approx(22 / 4.2)]
    assert report.overhead_us == [pytest.approx(50_000)]
    with pytest.raises(Refused):
        bench._add_round(report, answers, ["ab", "other"])


@pytest.mark.process
@pytest.mark.parametrize(("language", "word"), [("ja", "星影（ストリーミング）"), ("en", "Hoshikage, streamed")])
def test_the_tables_are_whole_in_both_languages(language: str, word: str) -> None:
    report = Report(
        "tiny",
        decode={"own": [90.0, 100.0, 120.0], "argmax": [200.0, 200.0, 200.0], "streamed": [180.0, 190.0, 100.0]},
        end_to_end={way: [50.0, 60.0, 70.0] for way in ("own", "argmax", "streamed", "plain")},
        first_ms={way: [1.0, 2.0, 3.0] for way in ("own", "argmax", "streamed")},
        overhead_us=[30.0, 20.0, 40.0],
        memory={f"{who}_{when}": 1 << 20 for who in ("server", "runner") for when in ("idle", "loaded", "unloaded")},
    )
    result = {
        "machine": machine(),
        "library": {"version": "v0.5.0", "variant": "ggml-cpu-zen4"},
        "rounds": 3,
        "start_to_healthy_ms": [250.0],
        "models": [{name: getattr(report, name) for name in Report.__slots__}],
    }
    shown = markdown(Screen("ja" if language == "ja" else "en"), result)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    (streamed,) = [row for row in rows if word in row]
    assert "180 (100–190) | 0.900 |" in streamed
    assert "30 (20–40)" in streamed
    widths = [row.count("|") for row in rows]
    assert widths == [widths[0]] * 6 + [widths[-1]] * 3


def test_a_target_is_met_by_the_median() -> None:
    sections = {
        "sleep": [
            {"key": "bench_row_asleep", "details": {}, "unit": "MiB", "values": [11.0, 14.0, 12.0]},
            {"key": "bench_row_waking", "details": {}, "unit": "ms", "values": [90.0, 251.0, 400.0]},
        ]
    }
    result = {"models": [], "start_to_healthy_ms": [41.0, 39.0, 1.0], "sections": sections}
    rows = "\n".join(targets(Screen("en"), result)).splitlines()[2:]
    assert rows == [
        "| from start to healthy | ≤ 40 ms | 39 (1–41) | yes |",
        "| memory asleep | ≤ 12 MiB | 12.0 (11.0–14.0) | yes |",
        "| what waking adds | ≤ 250 ms | 251.0 (90.0–400.0) | no |",
    ]


@pytest.mark.long
def test_a_random_model_has_its_shape_and_its_vocabulary(tmp_path: Path) -> None:
    shape = Shape("sliver", n_layer=1, n_embd=32, n_head=2, n_head_kv=1, n_ff=64)
    file = write(shape, tmp_path)
    header = gguf.read(file)
    assert header.n_params == shape.n_params
    assert header.n_vocab == N_VOCAB
    assert header.file_type == "Q8_0"
    written = file.stat().st_mtime_ns
    assert write(shape, tmp_path).stat().st_mtime_ns == written
    raw = np.fromfile(file, np.uint8)
    assert any(bytes(raw).count(name.encode()) for name in CONTROL)


def test_the_shapes_are_those_they_are_named_for() -> None:
    assert math.isclose(SHAPES["tiny"].n_params, 10e6, rel_tol=0.01)
    assert SHAPES["small"].n_params == 494_032_768  # Qwen2.5-0.5B's own number
