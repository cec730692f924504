"""This is one job as it shall run. A value; made and used on the engine thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hoshikage import wire
from hoshikage.engine.album import Album
from hoshikage.engine.prompt import Prompt
from hoshikage.engine.proposer import Proposer
from hoshikage.llama.constrained_sampler import ConstrainedSampler
from hoshikage.llama.logprobs import Scorer
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.vocab import Vocab
from hoshikage.params import NO_ADAPTERS, AdapterSet


@dataclass(frozen=True, slots=True)
class Plan:
    """This is one job as it shall run."""

    job: int
    prompt: Prompt
    choices: int
    """All choices share the prompt: each begins where the prompt's last token has been computed."""
    open_sampler: Callable[[int], Sampler | ConstrainedSampler]
    """`open_sampler` takes the choice's number."""
    open_proposer: Callable[[], Proposer | None]
    scorer: Scorer | None
    """A scorer is there where log probabilities are asked for."""
    vocab: Vocab
    emit: Callable[[wire.Event], None]
    begun: float
    """`begun` is `time.perf_counter()` at the job's start, before its prompt was rendered."""
    reuse: bool
    """`reuse` tells whether KV memory of earlier prompts may be used, and this one's kept."""
    scope: str
    whole: bool
    """`scope` and `whole` are as in GenerationRequest."""
    slot: int | None = None
    return_tokens: bool = False
    max_answer_ms: int | None = None
    max_prompt_ms: int | None = None
    n_indent: int = 0
    drawn: bool = False
    """All of these are as in GenerationRequest, too."""
    adapters: AdapterSet = NO_ADAPTERS  # nothing that is computed with others is in one decode with it, or kept
    without: AdapterSet = NO_ADAPTERS  # instead, for the prompt's first tokens
    wakes: int = 0  # how many these are
    album: Album | None = None
    """`album` holds the prompt's pictures and sounds, where it has some."""
    exact: bool = False
    """`exact` tells whether each choice computes the prompt anew, so that it is what it would be alone."""
