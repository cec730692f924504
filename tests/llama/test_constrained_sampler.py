"""Tests biases, forbidden tokens and grammars over a real model's logits."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from hoshikage.engine.held_parts import InCalls
from hoshikage.errors import InvalidRequest
from hoshikage.llama.constrained_sampler import ConstrainedSampler, Hold, ends_of, is_conditioned
from hoshikage.llama.context import Context
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import Grammar, SamplingParams

GREEDY = SamplingParams(temperature=0)
WARM = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, seed=3)
ADAPTIVE = replace(WARM, adaptive_target=0.3)
PROMPT = "<|im_start|>user\nこんにちは<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


def chosen(
    model: Model,
    context: Context,
    params: SamplingParams,
    matcher: Hold | None = None,
    count: int = 24,
    *,
    takes_forced: bool = False,
) -> list[int]:
    """Chooses tokens up to `count`, or up to the grammar's end or one that ends an answer. With `takes_forced` those
    without a choice are asked for, else all are sampled."""
    vocab, batch = model.vocab, context.batch
    ends = ends_of(vocab, ())
    context.clear()
    batch.clear()
    for pos, token in enumerate(prompt := vocab.tokenize(PROMPT, parse_special=True)):
        last = batch.add(token, pos, 0, pos == len(prompt) - 1)
    assert context.decode()
    choice = ConstrainedSampler(Sampler.open(model, context, params), context, params, matcher, ends)
    found: list[int] = []
    while len(found) < count:
        token = choice.sample(last)
        if token in ends:
            break
        new = [token, *(choice.forced(3) if takes_forced else ())]
        if choice.complete:
            return found + new
        batch.clear()
        for one in new:
            last = batch.add(one, len(prompt) + len(found), 0, one is new[-1])
            found.append(one)
        assert context.decode()
    choice.close()
    return found


def text_of(model: Model, tokens: list[int]) -> str:
    return b"".join(map(model.vocab.piece, tokens)).decode()


@pytest.mark.parametrize("params", [GREEDY, WARM])
def test_without_conditions_it_chooses_as_the_sampler_does(
    model: Model, context: Context, params: SamplingParams
) -> None:
    assert not is_conditioned(params)
    weightless = replace(params, logit_bias=((5, 0.0),))
    assert is_conditioned(weightless)
    assert chosen(model, context, params, count=8) == chosen(model, context, weightless, count=8)


@pytest.mark.parametrize("params", [GREEDY, WARM, replace(WARM, typical_p=0.5)])
def test_where_nothing_is_held_it_chooses_as_the_sampler_does(
    model: Model, context: Context, params: SamplingParams
) -> None:
    nowhere = InCalls(re.compile(b"(?!)"), {}, None, model.vocab.piece)
    assert chosen(model, context, params, nowhere) == chosen(model, context, params)


@pytest.mark.parametrize("params", [GREEDY, WARM, replace(WARM, typical_p=0.5), replace(WARM, mirostat=1)])
def test_a_bias_forces_and_a_ban_bans(model: Model, context: Context, params: SamplingParams) -> None:
    free = chosen(model, context, params)
    forced = replace(params, logit_bias=((100, 100.0),))
    assert chosen(model, context, forced, count=5) == [100] * 5
    banned = replace(params, logit_bias=tuple((token, -100.0) for token in set(free)))
    assert not set(chosen(model, context, banned)) & set(free)


def test_a_ban_holds_where_the_draw_prefers_what_is_less_likely(model: Model, context: Context) -> None:
    free = chosen(model, context, ADAPTIVE)
    banned = replace(ADAPTIVE, logit_bias=tuple((token, -100.0) for token in set(free)))
    assert not set(chosen(model, context, banned)) & set(free)


def test_a_bias_leaves_the_models_logits_alone(model: Model, context: Context) -> None:
    chosen(model, context, GREEDY, count=1)
    before = context.logits(0).copy()
    ConstrainedSampler(
        Sampler.open(model, context, GREEDY), context, replace(GREEDY, logit_bias=((7, 50.0),)), None, ()
    ).sample(0)
    assert np.array_equal(context.logits(0), before)


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_token_outside_the_vocabulary_is_refused(model: Model, context: Context, token: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chosen(model, context, replace(GREEDY, logit_bias=((token, 1.0),)))
    assert (refused.value.key, refused.value.param) == ("engine.bias_token", "logit_bias")


def test_ignore_eos_never_ends(model: Model, context: Context) -> None:
    assert len(chosen(model, context, GREEDY, count=200)) < 200
    assert len(chosen(model, context, replace(GREEDY, ignore_eos=True), count=200)) == 200


@pytest.mark.parametrize("params", [GREEDY, WARM, replace(WARM, typical_p=0.4), replace(WARM, mirostat=2), ADAPTIVE])
def test_a_grammar_is_kept_to_by_every_way_of_choosing(
    model: Model, context: Context, grammars: Grammars, params: SamplingParams
) -> None:
    matcher = grammars.compile(Grammar("gbnf", 'root ::= ("星" | "影"){3} [0-9]{2}', "grammar"), ())
    found = text_of(model, chosen(model, context, params, matcher.again()))
    assert set(found[:3]) <= {"星", "影"}
    assert found[3:].isdecimal()
    assert len(found) == 5


@pytest.mark.parametrize("params", [GREEDY, WARM, replace(WARM, mirostat=2)])
def test_a_seed_draws_the_same_whether_tokens_without_a_choice_are_sampled_or_taken(
    model: Model, context: Context, grammars: Grammars, params: SamplingParams
) -> None:
    rules = 'root ::= "Hoshikage is " part " " part " done"\npart ::= ("a star" | "no star") " of " [0-9]'
    matcher = grammars.compile(Grammar("gbnf", rules, "grammar"), ())
    sampled = chosen(model, context, params, matcher.again(), count=60)
    taken = chosen(model, context, params, matcher.again(), count=60, takes_forced=True)
    assert sampled == taken
    assert text_of(model, sampled).endswith(" done")


def test_what_is_banned_and_demanded_is_refused(model: Model, context: Context, grammars: Grammars) -> None:
    only = model.vocab.tokenize("7", parse_special=False)
    matcher = grammars.compile(Grammar("gbnf", 'root ::= "7"', "grammar"), ())
    banned = replace(GREEDY, logit_bias=tuple((token, -100.0) for token in only))
    with pytest.raises(InvalidRequest) as refused:
        chosen(model, context, banned, matcher)
    assert (refused.value.key, refused.value.param) == ("engine.nothing_allowed", "grammar")
