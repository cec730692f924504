"""The engine's events that the recorded answers are made of: good ends, bad ends, and errors at any time. Pure."""

from __future__ import annotations

from typing import Final

from hoshikage import wire
from hoshikage.dispatch.client import Waiting
from hoshikage.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelCrashed,
    ModelLoadFailed,
    QueueFull,
    ShuttingDown,
    Unavailable,
)
from tests.protocols.conftest import Step, answer, finished

CALL: Final = '<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>'
THOUGHTS: Final = "<think>\nHm.\n</think>\n\n"


def likely(text: str, logprob: float) -> wire.Likely:
    return wire.Likely(text, text.encode(), logprob)


def chosen(text: str) -> tuple[wire.Chosen, ...]:
    token = likely(text, -0.5)
    return (wire.Chosen(token, (token, likely("other", -1.25))),)


def _choices() -> list[Step]:
    return [
        wire.Started(1, 5),
        wire.Token(1, "a", 1, 0),
        wire.Token(1, "b", 2, 1),
        wire.ChoiceEnd(1, 1, "length"),
        wire.Token(1, "c", 3, 0),
        finished("stop", choice=0),
    ]


def _prompt_too_long() -> Exception:
    return ContextLengthExceeded("engine.context_exceeded", param="messages", n_prompt_tokens=5000, n_ctx=4096)


_WAITS: Final[list[Step]] = [
    Waiting(2), Waiting(1), wire.Loading(0.0), wire.Loading(0.5), wire.Started(1, 5), wire.Prefill(1, 3)
]  # fmt: skip
ANSWERS: Final[dict[str, list[Step]]] = {
    "plain": answer("星", "影です"),
    "empty": answer(),
    "length": answer("one", " two", reason="length"),
    "stop string": [
        wire.Started(1, 5),
        wire.Token(1, "one", 1),
        wire.Finished(1, "stop", 5, 2, finished().timings, stop="### END"),
    ],
    "waits": [*_WAITS, *answer("late")[1:]],
    "repaired": [wire.Started(1, 5, repairs=("roles-merged",), tail="<think>\n"), *answer("Hm.</think>", "yes")[1:]],
    "thoughts": answer(*THOUGHTS, *"Yes."),
    "call": answer(*("I look.\n" + CALL)),
    "no call": answer("<tool_call>\n{not json}", "\n</tool_call>"),
    "cut call": answer(*CALL[:40], reason="length"),
    "odd text": answer('"\\ \n\t\u2028</script>', "\x1b[2J\0", "😀"),
}
"""Maps a name to the steps of an answer that ends well."""
LOGPROBS: Final[list[Step]] = [
    wire.Started(1, 5),
    wire.Token(1, "星", 1, 0, chosen("星")),
    wire.Token(1, "影", 2, 0, chosen("影")),
    finished(),
]
ECHOED: Final[list[Step]] = [wire.Started(1, 5), wire.Echo(1, "Once"), wire.Echo(1, " upon"), *answer("星")[1:]]
CHOICES: Final[list[Step]] = _choices()
FAULTS: Final[dict[str, list[Step]]] = {
    "invalid": [InvalidRequest("engine.prompt_empty", param="messages")],
    "too long": [_prompt_too_long()],
    "not loaded": [ModelLoadFailed("dispatch.model_file_missing", param="model", label="tiny", file="/nowhere")],
    "queue full": [QueueFull("dispatch.queue_full", bound=8, retry_after=5)],
    "crashed": [ModelCrashed("dispatch.request_refused", minutes=10)],
    "no GPU": [Unavailable("engine.gpu_unused")],
    "shutting down": [ShuttingDown("dispatch.shutting_down", retry_after=5)],
    "unforeseen": [RuntimeError("never shown")],
    "unknown key": [InvalidRequest("nowhere.nothing", what="x")],
    "cut": [],
    "cancelled": [finished("cancelled")],
}
"""Maps a name to how an answer ends badly, before its first event or after some."""
BEFORE: Final[dict[str, list[Step]]] = {
    "at once": [],
    "after waiting": [Waiting(1), wire.Loading(0.5)],
    "after the start": [wire.Started(1, 5), wire.Prefill(1, 3)],
    "after text": answer("星", "影")[:-1],
    "in a call": answer(*CALL[:40])[:-1],
}
"""Maps the time of a bad end to what came before."""
