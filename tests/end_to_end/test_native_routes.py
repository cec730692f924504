"""Tests llama-server's own routes, over a real server and the built-in model."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import LABEL, messages_of, register
from tests.end_to_end.live import LiveServer, home_environ

PROMPT = "<|im_start|>user\nWhat is Hoshikage?<|im_end|>\n<|im_start|>assistant\n"


def send(server: LiveServer, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def ask(server: LiveServer, path: str, **body: Any) -> Any:
    status, answer = send(server, path, {"model": LABEL, **body})
    assert status == 200, answer
    return json.loads(answer)


def complete(server: LiveServer, **body: Any) -> Any:
    return ask(server, "/completion", **{"prompt": PROMPT, "temperature": 0, **body})


def test_tokens_and_text_are_each_others(server: LiveServer) -> None:
    text = "Hello, 星影<|im_end|>"
    tokens = ask(server, "/tokenize", content=text)["tokens"]
    assert ask(server, "/detokenize", tokens=tokens) == {"content": text}
    plain = ask(server, "/tokenize", content=text, parse_special=False)["tokens"]
    assert len(plain) > len(tokens)
    pieces = ask(server, "/tokenize", content=text, with_pieces=True)["tokens"]
    assert [one["id"] for one in pieces] == tokens
    raw = [one["piece"].encode() if isinstance(one["piece"], str) else bytes(one["piece"]) for one in pieces]
    assert b"".join(raw).decode() == text


def test_a_text_of_more_tokens_than_a_frame_holds(server: LiveServer) -> None:
    text = "0123456789" * 20_000
    tokens = ask(server, "/tokenize", content=text)["tokens"]
    assert len(tokens) == len(text)
    pieces = ask(server, "/tokenize", content=text, with_pieces=True)["tokens"]
    assert "".join(one["piece"] for one in pieces) == text
    assert ask(server, "/tokenize", content="") == {"tokens": []}
    assert ask(server, "/detokenize", tokens=[]) == {"content": ""}


def test_the_template_gives_what_the_model_is_given(server: LiveServer, golden: Path) -> None:
    for case in json.loads(golden.read_text(encoding="utf-8"))["cases"]:
        prompt = ask(server, "/apply-template", messages=messages_of(case["prompt"]))["prompt"]
        assert prompt == case["prompt"]
        assert ask(server, "/tokenize", content=prompt)["tokens"] == case["prompt_ids"]


def test_an_answer_tells_which_slot_it_has(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    with LiveServer(home_environ(tmp_path, library_file, N_PARALLEL="2", KV_REUSE="prefix")) as server:
        told = complete(server, n_predict=32, n_cmpl=2, ignore_eos=True)
        assert sorted(one["id_slot"] for one in told) == [0, 1]
        for number in (1, 0):
            assert complete(server, n_predict=1, id_slot=number)["id_slot"] == number
        other = "Once upon a time"
        assert complete(server, prompt=other, n_predict=1, id_slot=1)["id_slot"] == 1
        assert complete(server, prompt=other, n_predict=1)["id_slot"] == 1, "where the prompt is in memory"
        turns = [{"role": "user", "content": "Tell me of the stars."}]
        ask(server, "/v1/chat/completions", messages=turns, max_tokens=1, id_slot=1)
        prompt = ask(server, "/apply-template", messages=turns)["prompt"]
        assert complete(server, prompt=prompt, n_predict=1)["id_slot"] == 1, "where the chat was told to be"


def test_a_completion_says_how_it_ended(server: LiveServer, golden: Path) -> None:
    case = json.loads(golden.read_text(encoding="utf-8"))["cases"][0]
    whole = complete(server, prompt=case["prompt_ids"])
    assert whole["content"] == case["text"]
    assert (whole["stop"], whole["stop_type"], whole["stopping_word"]) == (True, "eos", "")
    assert (whole["tokens_evaluated"], whole["tokens_predicted"]) == (len(case["prompt_ids"]), len(case["ids"]))
    assert whole["model"] == LABEL
    assert whole["timings"]["predicted_n"] == len(case["ids"])
    cut = complete(server, n_predict=3, n_probs=2, seed=7)
    assert (cut["stop_type"], cut["tokens_predicted"]) == ("limit", 3)
    assert cut["generation_settings"]["n_predict"] == 3
    assert cut["generation_settings"]["seed"] == 7
    assert "".join(one["token"] for one in cut["completion_probabilities"]) == cut["content"]
    assert [len(one["top_logprobs"]) for one in cut["completion_probabilities"]] == [2, 2, 2]
    word = complete(server)["content"][5:9]
    stopped = complete(server, stop=[word])
    assert (stopped["stop_type"], stopped["stopping_word"]) == ("word", word)
    none = complete(server, n_predict=0)
    assert (none["content"], none["tokens_predicted"], none["stop_type"]) == ("", 0, "limit")


def test_several_prompts_are_a_list_of_answers(server: LiveServer) -> None:
    both = complete(server, prompt=[PROMPT, "Hello"], n_predict=4)
    assert [one["index"] for one in both] == [0, 1]
    assert both[0]["content"] == complete(server, n_predict=4)["content"]


def test_the_joined_stream_equals_the_whole_completion(server: LiveServer) -> None:
    whole = complete(server)
    status, raw = send(server, "/completion", {"model": LABEL, "prompt": PROMPT, "temperature": 0, "stream": True})
    assert status == 200
    pieces = [json.loads(one.removeprefix("data: ")) for one in raw.decode().strip().split("\n\n") if one[0] == "d"]
    assert "".join(one["content"] for one in pieces) == whole["content"]
    assert [one["stop"] for one in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1]["tokens_predicted"] == whole["tokens_predicted"]
    assert pieces[-1]["stop_type"] == "eos"


def test_chances_are_those_that_a_token_was_drawn_by(server: LiveServer) -> None:
    asking: Any = {"n_predict": 6, "n_probs": 20, "seed": 5, "temperature": 50.0, "top_k": 4, "top_p": 1.0}
    shown = complete(server, post_sampling_probs=True, **asking)["completion_probabilities"]
    for one in shown:
        assert 1 <= len(one["top_probs"]) <= 4
        assert sum(other["prob"] for other in one["top_probs"]) == pytest.approx(1.0, abs=1e-4)
        assert {one["id"]: one["prob"]}.items() <= {other["id"]: other["prob"] for other in one["top_probs"]}.items()
    assert any(one["prob"] < 0.99 for one in shown), "hot enough for a choice"
    plain = complete(server, **asking)
    assert [one["id"] for one in shown] == [one["id"] for one in plain["completion_probabilities"]], "the same draw"
    (certain,) = complete(server, post_sampling_probs=True, n_predict=1, n_probs=3)["completion_probabilities"]
    assert (certain["prob"], [one["prob"] for one in certain["top_probs"]]) == (1.0, [1.0])


def test_an_answer_ends_where_its_block_does(server: LiveServer) -> None:
    asking: Any = {"n_predict": 48, "temperature": 0, "grammar": 'root ::= "a\\n    b\\n  c\\n" [d-z]*'}
    whole = complete(server, **asking)
    assert whole["content"].startswith("a\n    b\n  c\n")
    for indent, kept in ((4, "a\n    b\n  "), (2, "a\n    b\n  c\n"), (5, "a\n    ")):
        cut = complete(server, n_indent=indent, **asking)
        assert (cut["content"], cut["stop_type"], cut["truncated"]) == (kept, "limit", False)
    assert "".join(piece["content"] for piece in streamed(server, n_indent=4, **asking)) == "a\n    b\n  "


def test_a_prompt_has_only_its_time(server: LiveServer) -> None:
    words = "星影 " * 180
    late = complete(server, prompt=words, t_max_prompt_ms=1, n_predict=4)
    assert (late["content"], late["tokens_predicted"], late["stop_type"], late["truncated"]) == ("", 0, "limit", False)
    assert complete(server, prompt=words, t_max_prompt_ms=600_000, n_predict=4)["tokens_predicted"] == 4
    assert complete(server, prompt=words, t_max_prompt_ms=1, n_predict=0)["timings"]["prompt_n"] > 500


def streamed(server: LiveServer, **body: Any) -> list[dict[str, Any]]:
    status, raw = send(server, "/completion", {"model": LABEL, "prompt": PROMPT, "stream": True, **body})
    assert status == 200
    return [json.loads(one.removeprefix("data: ")) for one in raw.decode().strip().split("\n\n") if one[0] == "d"]


@pytest.mark.parametrize("more", [{}, {"n_probs": 2}])
def test_the_tokens_of_an_answer_are_its_text(server: LiveServer, more: dict[str, Any]) -> None:
    whole = complete(server, n_predict=24, return_tokens=True, **more)
    assert ask(server, "/detokenize", tokens=whole["tokens"])["content"] == whole["content"]
    pieces = streamed(server, n_predict=24, temperature=0, **more)
    assert [token for piece in pieces for token in piece["tokens"]] == whole["tokens"]
    for told in whole.get("completion_probabilities", ()):
        assert (told["id"], told["top_logprobs"][0]["id"]) == (told["top_logprobs"][0]["id"], told["id"])


def test_a_bias_on_a_text_is_one_on_its_tokens(server: LiveServer) -> None:
    first = complete(server, n_predict=1, return_tokens=True)
    (token,) = first["tokens"]
    for bias in ([[first["content"], False]], {first["content"]: -100}, [[token, False]], {str(token): -1000}):
        other = complete(server, n_predict=1, return_tokens=True, logit_bias=bias)
        assert other["tokens"] != [token], bias


def test_texts_and_tokens_mixed_are_one_prompt(server: LiveServer) -> None:
    tokens = ask(server, "/tokenize", content=PROMPT)["tokens"]
    cut = PROMPT.index("What")
    mixed = [*ask(server, "/tokenize", content=PROMPT[:cut])["tokens"], PROMPT[cut:]]
    first = complete(server, n_predict=12)
    for prompt in (mixed, tokens, {"prompt_string": PROMPT}):
        assert complete(server, n_predict=12, prompt=prompt)["content"] == first["content"]
    both = complete(server, n_predict=12, prompt=[PROMPT, tokens])
    assert [one["content"] for one in both] == [first["content"]] * 2


def test_an_answer_ends_when_it_has_had_its_time(server: LiveServer) -> None:
    line = {"grammar": 'root ::= "a\\n" [a-z]*'}
    short = complete(server, n_predict=300, t_max_predict_ms=1, **line)
    assert (short["stop_type"], short["truncated"]) == ("limit", False)
    assert short["tokens_predicted"] < 300
    full = complete(server, n_predict=-1, ignore_eos=True)
    assert (full["stop_type"], full["truncated"]) == ("limit", True)


def test_progress_begins_with_what_is_in_memory(server: LiveServer) -> None:
    prompt = "x" * 600
    for cached in (False, True):
        pieces = streamed(server, prompt=prompt, n_predict=1, return_progress=True, cache_prompt=True)
        progress = [piece["prompt_progress"] for piece in pieces if "prompt_progress" in piece]
        assert progress[0]["processed"] == progress[0]["cache"]
        assert (progress[0]["cache"] > 0) is cached
        assert progress[-1]["processed"] <= progress[-1]["total"]
        assert pieces[-1]["timings"]["cache_n"] == progress[0]["cache"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/completion", {}, "prompt"),
        ("/completion", {"prompt": "a", "lora": [{"id": 0, "scale": 1}]}, "lora[0].id"),
        ("/completion", {"prompt": "a", "n_predict": 1.5}, "n_predict"),
        ("/infill", {"input_prefix": "a", "input_suffix": "b"}, "input_suffix"),
        ("/infill", {"input_prefix": "a"}, "input_suffix"),
        ("/tokenize", {}, "content"),
        ("/detokenize", {"tokens": [99_999]}, "tokens"),
        ("/detokenize", {"tokens": "a"}, "tokens"),
        ("/apply-template", {}, "messages"),
        ("/apply-template", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_400_that_names_the_field(
    server: LiveServer, path: str, body: dict[str, Any], param: str
) -> None:
    status, answer = send(server, path, {"model": LABEL, **body})
    assert (status, json.loads(answer)["error"]["param"]) == (400, param)


def test_a_program_that_names_no_model_gets_the_loaded_one(server: LiveServer) -> None:
    ask(server, "/tokenize", content="x")
    status, answer = send(server, "/completion", {"prompt": PROMPT, "n_predict": 1})
    assert (status, json.loads(answer)["model"]) == (200, LABEL)


def test_the_settings_show_the_tokens_that_ignore_eos_forbids(server: LiveServer) -> None:
    (end,) = ask(server, "/tokenize", content="<|im_end|>")["tokens"]
    shown = complete(server, n_predict=3, ignore_eos=True)["generation_settings"]["logit_bias"]
    assert [end, -100.0] in shown
    assert complete(server, n_predict=3)["generation_settings"]["logit_bias"] == []


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"guided_choice": ["star", "moon"]}, "star|moon"),
        ({"guided_regex": r"^[a-c]{3}/\d$"}, r"[a-c]{3}/\d"),
        ({"guided_json": '{"enum": [1, 2]}'}, "[12]"),
        ({"guided_grammar": 'root ::= "a" [0-9]'}, "a[0-9]"),
        ({"structured_outputs": {"regex": "(yes|no)!"}}, "(yes|no)!"),
    ],
)
def test_guided_fields_hold_the_answer(server: LiveServer, fields: dict[str, Any], pattern: str) -> None:
    assert re.fullmatch(pattern, complete(server, **fields)["content"])
    turns = [{"role": "user", "content": "Hello"}]
    chat = ask(server, "/v1/chat/completions", model=LABEL, messages=turns, **fields)
    assert re.fullmatch(pattern, chat["choices"][0]["message"]["content"])


def test_props_and_slots(server: LiveServer, demo_model: Path) -> None:
    ask(server, "/completion", prompt="x", n_predict=1)
    status, answer = send(server, "/props")
    told = json.loads(answer)
    assert status == 200
    assert told["total_slots"] == 1
    assert told["default_generation_settings"]["n_ctx"] == 1024
    assert told["default_generation_settings"]["params"]["temperature"] == 0.2
    assert (told["model_path"], told["model_alias"]) == (LABEL, LABEL)
    assert "<|im_start|>" in told["chat_template"]
    assert told["bos_token"] == "<|endoftext|>"
    assert told["eos_token"] == "<|im_end|>"
    assert str(demo_model.parent) not in answer.decode()
    status, answer = send(server, "/slots")
    slot = json.loads(answer)[0]
    assert (status, slot["id"], slot["n_ctx"], slot["is_processing"]) == (200, 0, 1024, False)
    assert send(server, "/props?model=nope")[0] == 404


LINE = re.compile(r"[a-z_:]+(?:\{(?:[a-z_]+=\"[^\"]*\",?)*\})? [-+0-9.eInf]+")


def metrics(server: LiveServer) -> dict[str, float]:
    status, answer = send(server, "/metrics")
    assert status == 200
    lines = [line for line in answer.decode().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_happens(server: LiveServer) -> None:
    before = metrics(server)
    used = complete(server, n_predict=3)
    send(server, "/completion", {"model": LABEL})
    after = metrics(server)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('hoshikage_requests_total{method="POST",route="/completion",status="200"}') == 1
    assert grown('hoshikage_requests_total{method="POST",route="/completion",status="400"}') == 1
    assert grown('hoshikage_request_seconds_count{route="/completion"}') == 2
    assert grown('hoshikage_request_seconds_bucket{route="/completion",le="+Inf"}') == 2
    assert grown("hoshikage_prompt_tokens_total") == used["tokens_evaluated"] == grown("llamacpp:prompt_tokens_total")
    assert grown("hoshikage_completion_tokens_total") == 3
    assert after["hoshikage_model_loads_total"] >= 1
    assert after["hoshikage_runner_crashes_total"] == 0
    assert after['hoshikage_model_state{state="ready"}'] == 1
    assert after[f'hoshikage_model_loaded{{model="{LABEL}"}}'] == 1
    assert after["hoshikage_queue_size"] == 64
    assert after["process_resident_memory_bytes"] > 2**20
    assert after["hoshikage_runner_resident_bytes"] > 2**20
    answers = f'{{gen_ai_provider_name="hoshikage",gen_ai_request_model="{LABEL}"}}'
    for name in ("time_to_first_token", "time_per_output_token", "request_duration"):
        assert grown(f"gen_ai_server_{name}_seconds_count{answers}") == 1
        assert grown(f"gen_ai_server_{name}_seconds_sum{answers}") > 0
        assert grown(f'gen_ai_server_{name}_seconds_bucket{answers[:-1]},le="+Inf"}}') == 1
    assert after["llamacpp:requests_deferred"] == 0
