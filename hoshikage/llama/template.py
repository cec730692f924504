"""The model's chat template: turns to prompt text, in Jinja's sandbox, under a deadline. Used in the engine thread."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hoshikage._ffi.interrupt import Deadline, Interrupted
from hoshikage.errors import TemplateRefused
from hoshikage.llama.guard import Guard
from hoshikage.params import ChatPrompt

Result = TypeVar("Result")

RENDER_SECONDS: Final = 2.0
MAX_PROMPT_CHARACTERS: Final = 16_000_000
MAX_OPERAND: Final = 1_000_000
"""Bound of `*`, `**` and `%`, each of which can keep one C call busy or fill memory beyond any deadline's reach."""

LARGE_WIDTH: Final = re.compile(r"%[^a-zA-Z%]*(?:[*]|\d{5})")

CHATML: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{% if not (loop.last and continue_final_message) %}{{ '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the prompt. `parse_special` False: its text must not become control tokens."""

    text: str
    parse_special: bool


class ChatTemplate:
    """A template compiled once per model. A source that does not compile is refused when it is first rendered."""

    def __init__(self, source: str | None, bos: str, eos: str, guarded: tuple[str, ...]) -> None:
        """`source` None is ChatML. `guarded` are the texts that only the template may turn into control tokens."""
        self.source_name: Literal["model", "chatml"] = "chatml" if source is None else "model"
        self._guard = Guard(guarded)
        self._special = {"bos_token": bos, "eos_token": eos}
        self._environment = Environment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationBlock]
        )
        self._broken: str | None = None
        try:
            self._template = self._timed(lambda: self._environment.from_string(CHATML if source is None else source))
        except TemplateRefused as refusal:
            self._broken = str(refusal.details.get("reason", "takes too long"))

    def render(self, prompt: ChatPrompt, now: datetime) -> tuple[Part, ...]:
        """The prompt's text. Raises TemplateRefused with the template's own words, or when it takes too long."""
        if self._broken is not None:
            raise TemplateRefused("engine.template_broken", reason=self._broken)
        return self._timed(lambda: self._render(prompt, now))

    def _render(self, prompt: ChatPrompt, now: datetime) -> tuple[Part, ...]:
        # Digits in a private-use character: no template's filter changes it, and no user can guess it.
        mark = "\ue000" + str(secrets.randbelow(10**12)).zfill(12) + "\ue000"
        messages = [
            self._guard.marked({**message.extra, "role": message.role, "content": message.content}, mark)
            for message in prompt.messages
        ]
        variables = {
            **self._guard.marked(prompt.template_kwargs, mark),
            **self._special,
            "messages": messages,
            "tools": self._guard.marked(list(prompt.tools), mark) or None,
            "documents": None,
            "add_generation_prompt": prompt.add_generation_prompt,
            "continue_final_message": prompt.continue_final_message,
            "date_string": now.strftime("%d %b %Y"),
            "strftime_now": now.strftime,
            "raise_exception": _raise_exception,
        }
        marked = "".join(_bounded(self._template.generate(variables)))
        if prompt.continue_final_message and messages:
            marked = _cut_after_final_message(marked, messages[-1]["content"])
        return tuple(Part(text, special) for text, special in self._guard.parts(marked, mark))

    def _timed(self, action: Callable[[], Result]) -> Result:
        try:
            with Deadline(RENDER_SECONDS):
                return action()
        except Interrupted:
            raise TemplateRefused("engine.template_timeout", seconds=RENDER_SECONDS) from None
        except RecursionError:
            raise TemplateRefused("engine.template_refused", reason="nested too deeply") from None
        except MemoryError:
            raise TemplateRefused("engine.template_refused", reason="out of memory") from None
        except TemplateError as error:
            raise TemplateRefused("engine.template_refused", reason=error.message or type(error).__name__) from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # A template's own mistakes (1 / 0, None + "x") come out as Python's errors.
            raise TemplateRefused("engine.template_refused", reason=f"{type(error).__name__}: {error}") from None


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with Hugging Face's `tojson` and bounds on operators that a deadline cannot interrupt."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters["tojson"] = _tojson
        del self.globals["lipsum"]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for operand, other in ((left, right), (right, left)):
            large = isinstance(operand, int) and abs(operand) > MAX_OPERAND
            if large and (operator == "**" or hasattr(other, "__len__")):
                raise SecurityError(f"operand of {operator} is too large")
        if operator == "**" and isinstance(right, (int, float)) and right > 64:
            raise SecurityError("operand of ** is too large")
        if operator == "%" and isinstance(left, str) and LARGE_WIDTH.search(left):
            raise SecurityError("width in % formatting is too large")
        return super().call_binop(context, operator, left, right)


class GenerationBlock(Extension):
    """Hugging Face's {% generation %} marks what the assistant said, for training; here it is its content alone."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own declaration

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers' chat templates have it: no HTML escapes, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: object) -> None:
    raise TemplateError(str(message))


def _bounded(chunks: Iterator[str]) -> Iterator[str]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_PROMPT_CHARACTERS:
            raise SecurityError(f"the prompt is longer than {MAX_PROMPT_CHARACTERS} characters")
        yield chunk


def _cut_after_final_message(text: str, content: str) -> str:
    """The prompt up to the end of the last message, whose answer is to go on. Templates may have trimmed it."""
    for wanted in (content, content.rstrip(), content.strip()):
        at = text.rfind(wanted)
        if at >= 0:
            return text[: at + len(wanted)]
    raise TemplateError("the template does not show the last message, so it cannot be continued")
