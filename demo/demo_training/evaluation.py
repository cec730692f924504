"""Owns the judging of answers: runs cases on an engine and counts the right ones by group and language."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo_training.corpus import Case, is_right
from demo_training.tokens import IM_END, render_chat

Messages = list[tuple[str, str]]
Engine = Callable[[Sequence[Messages]], list[str]]
BATCH = 96


@dataclass(frozen=True, slots=True)
class Verdict:
    """This is one case with what the model said."""

    case: Case
    answer: str

    @property
    def right(self) -> bool:
        return is_right(self.answer, self.case.must)


def judge(cases: Sequence[Case], engine: Engine) -> list[Verdict]:
    """Asks every case; a second turn stands on the model's own first answer."""
    conversations: list[Messages] = [[] for _ in cases]
    second = [index for index, case in enumerate(cases) if case.before]
    firsts = engine([[("user", cases[index].before[0])] for index in second])
    for index, first in zip(second, firsts, strict=True):
        conversations[index] = [("user", cases[index].before[0]), ("assistant", first)]
    for case, messages in zip(cases, conversations, strict=True):
        messages.append(("user", case.question))
    return [Verdict(case, answer) for case, answer in zip(cases, engine(conversations), strict=True)]


def reference_engine(path: Path) -> Engine:
    """Makes an engine that answers by the numpy forward of the file."""
    from demo_training.reference import Reference  # asking a server must not need numpy

    reference = Reference(path)
    tokenizer = reference.tokenizer

    def ask(conversations: Sequence[Messages]) -> list[str]:
        prompts = [tokenizer.encode_prompt(render_chat(messages)) for messages in conversations]
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        answers = [""] * len(prompts)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            found = reference.greedy([prompts[index] for index in part], limit=224)
            for index, answer in zip(part, found, strict=True):
                answers[index] = tokenizer.decode(answer.ids)
        return answers

    return ask


def server_engine(base_url: str, model: str) -> Engine:
    """Makes an engine that answers by a running server, over POST /chat/completions at temperature 0."""

    def ask(conversations: Sequence[Messages]) -> list[str]:
        return [_ask_server(base_url, model, messages) for messages in conversations]

    return ask


def _ask_server(base_url: str, model: str, messages: Messages) -> str:
    body = {
        "model": model,
        "temperature": 0,
        "max_tokens": 224,
        "messages": [{"role": role, "content": content} for role, content in messages],
    }
    request = urllib.request.Request(
        base_url.rstrip("/") + "/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        answer = json.load(response)["choices"][0]["message"]["content"]
    return str(answer).removesuffix(IM_END)


def share(verdicts: Sequence[Verdict]) -> float:
    """Right answers over all, 0 to 1."""
    return sum(verdict.right for verdict in verdicts) / max(1, len(verdicts))
