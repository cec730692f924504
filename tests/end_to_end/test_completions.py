"""/v1/completions as the OpenAI SDK sees it, over a real server and the built-in model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL

TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
QUESTION = TURN.format("What is Hoshikage?")


def complete(client: OpenAI, prompt: Any = QUESTION, **more: Any) -> Any:
    return client.completions.create(model=LABEL, prompt=prompt, **{"temperature": 0, **more})


def golden_cases(golden: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(golden.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("form", ["prompt", "prompt_ids"])
def test_greedy_text_is_that_of_the_golden_run(client: OpenAI, golden: Path, form: str) -> None:
    for case in golden_cases(golden):
        answer = complete(client, case[form], max_tokens=len(case["ids"]))
        assert answer.choices[0].text == case["text"]
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.prompt_tokens == len(case["prompt_ids"])
        assert answer.usage.completion_tokens == len(case["ids"])


def test_the_joined_stream_equals_the_whole_answer(client: OpenAI) -> None:
    prompt = TURN.format("星影とは何ですか？")
    whole = complete(client, prompt, n=2)
    chunks = list(complete(client, prompt, n=2, stream=True, stream_options={"include_usage": True}))
    for index in (0, 1):
        pieces = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(piece.text for piece in pieces) == whole.choices[index].text
        assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]
        assert not any("\ufffd" in piece.text for piece in pieces)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert whole.id.startswith("cmpl-")
    assert whole.object == "text_completion"


def test_several_prompts_are_several_choices_in_order(client: OpenAI) -> None:
    prompts = [TURN.format("What is Hoshikage?"), TURN.format("こんにちは！")]
    alone = [complete(client, prompt) for prompt in prompts]
    both = complete(client, prompts, n=2)
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    assert [choice.text for choice in both.choices] == [one.choices[0].text for one in alone for _ in (0, 1)]
    assert both.usage.prompt_tokens == sum(one.usage.prompt_tokens for one in alone)
    assert both.usage.completion_tokens == 2 * sum(one.usage.completion_tokens for one in alone)


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_before_each_answer(client: OpenAI, stream: bool) -> None:
    plain = complete(client, "星影は", max_tokens=6)
    answer = complete(client, "星影は", max_tokens=6, echo=True, n=2, stream=stream)
    texts = ["", ""]
    for part in answer if stream else [answer]:
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert texts == ["星影は" + plain.choices[0].text] * 2


def test_echo_alone_scores_a_text(client: OpenAI) -> None:
    """Evaluation programs ask for this: the log probabilities of a given text."""
    answer = complete(client, QUESTION, max_tokens=4, logprobs=2)
    generated = answer.choices[0]
    scored = complete(client, QUESTION + generated.text, max_tokens=0, echo=True, logprobs=2).choices[0]
    assert scored.text == QUESTION + generated.text
    assert scored.finish_reason == "length"
    told = scored.logprobs
    assert "".join(told.tokens) == scored.text
    assert told.token_logprobs[0] is None
    assert told.top_logprobs[0] is None
    assert told.tokens[-4:] == generated.logprobs.tokens
    assert told.token_logprobs[-4:] == pytest.approx(generated.logprobs.token_logprobs, abs=1e-3)
    for token, offset in zip(told.tokens, told.text_offset, strict=True):
        assert scored.text[offset : offset + len(token)] == token


def test_logprobs_are_openais_older_form(client: OpenAI) -> None:
    prompt = TURN.format("Which port does it use?")
    answer = complete(client, prompt, max_tokens=8, logprobs=3).choices[0]
    told = answer.logprobs
    assert "".join(told.tokens) == answer.text
    assert told.text_offset[0] == 0
    for token, value, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert len(top) == 3
        assert top[token] == value == max(top.values())
    pieces: list[Any] = []
    for chunk in complete(client, prompt, max_tokens=8, logprobs=3, stream=True):
        pieces += [chunk.choices[0].logprobs] if chunk.choices[0].logprobs else []
    assert [one for piece in pieces for one in piece.tokens] == told.tokens
    assert [one for piece in pieces for one in piece.text_offset] == told.text_offset
    assert complete(client, max_tokens=2, logprobs=0).choices[0].logprobs.top_logprobs is None


def test_best_of_gives_the_likeliest(client: OpenAI) -> None:
    drawn = complete(client, n=4, seed=5, temperature=2, top_p=1, max_tokens=12, logprobs=0)
    best = complete(client, best_of=4, seed=5, temperature=2, top_p=1, max_tokens=12)

    def mean(choice: Any) -> float:
        return float(sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs))

    assert len({choice.text for choice in drawn.choices}) > 1
    assert best.choices[0].text == max(drawn.choices, key=mean).text
    assert best.choices[0].logprobs is None
    assert len(best.choices) == 1
    assert best.usage == drawn.usage


def test_stop_and_length(client: OpenAI) -> None:
    whole = complete(client).choices[0].text
    middle = whole[len(whole) // 2 :][:4]
    cut = complete(client, stop=[middle]).choices[0]
    assert (cut.text, cut.finish_reason) == (whole[: whole.index(middle)], "stop")
    short = complete(client, max_tokens=3)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 3)


def test_the_token_that_ended_an_answer_is_named(client: OpenAI) -> None:
    """Where the client's own stop or its limit came first, no token did."""
    for more, expected in (({}, "<|im_end|>"), ({"stop": ["a"]}, None), ({"max_tokens": 3}, None)):
        assert complete(client, **more).model_extra["timings"]["stop_token"] == expected


def test_a_grammar_holds(client: OpenAI) -> None:
    answer = complete(client, extra_body={"grammar": 'root ::= "yes" | "no"'})
    assert answer.choices[0].text in ("yes", "no")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"suffix": " end"}, "suffix"),
        ({"suffix": " end", "prompt": ["a", "b"]}, "suffix"),
        ({"suffix": " end", "echo": True}, "suffix"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"prompt": [72, 999_999]}, "prompt"),
        ({"prompt": [72, -1]}, "prompt"),
        ({"prompt": [1, [2]]}, "prompt[1]"),
        ({"prompt": [[1], 2]}, "prompt[0]"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": ["a"] * 60, "n": 2}, "prompt"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 1.5}, "max_tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_400_that_names_the_field(client: OpenAI, more: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        complete(client, **more)
    assert refused.value.param == param


def test_a_model_without_fill_in_the_middle_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="fim_pre"):
        complete(client, suffix=" end")


def test_a_prompt_over_the_context_is_a_400_with_both_numbers(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        complete(client, [72] * 1024)
    body: Any = refused.value.body
    assert (body["code"], body["n_prompt_tokens"], body["n_ctx"]) == ("context_length_exceeded", 1024, 1024)
