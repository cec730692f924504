"""This is the model's chat template: turns to prompt text, in Jinja's sandbox, under a deadline. Used in the engine
thread."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from msgspec.structs import replace

from hoshikage.errors import TemplateRefused
from hoshikage.llama.guard import Guard
from hoshikage.llama.repair import THOUGHT_MARKS_AS_TEXT, TOOLS_SIMPLIFIED, WORDS_LOST, Telling, tellings
from hoshikage.llama.sandbox import MAX_TEXT, Environment
from hoshikage.llama.words import THOUGHT_MARKS, Words, has_thought_marks
from hoshikage.native_os import memory
from hoshikage.native_os.interrupt import Deadline, Interrupted
from hoshikage.params import ChatPrompt, Message

Result = TypeVar("Result")

RENDER_SECONDS: Final = 2.0
"""Rendering one conversation, with all its repairs, may take so long."""
MAX_SOURCE: Final = 2_000_000
"""A template has so many characters at most; real ones have some ten thousand."""
TAIL_CHARACTERS: Final = 256

CHATML: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}"
    "{% if not (loop.last and continue_final_message) %}{{ '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class TemplatePart:
    """This is a stretch of the prompt. `parse_special` False: its text must not become control tokens."""

    text: str
    parse_special: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """This is a prompt's text."""

    parts: tuple[TemplatePart, ...]
    repairs: tuple[str, ...] = ()
    """`repairs` tells what had to be changed in the conversation, by the names in `llama.repair`."""

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    @property
    def tail(self) -> str:
        """Gives the text's end: what the answer goes on from."""
        return "".join(part.text for part in self.parts[-4:])[-TAIL_CHARACTERS:]


class _Taken:
    """A template has taken this so far of one conversation's variants."""

    def __init__(self) -> None:
        self.best: Rendered | None = None
        self._fewest: int | None = None

    def take(self, rendered: Rendered, lost: int) -> bool:
        """Keeps what loses the fewest texts, the first of such; whether that is none."""
        if lost and (self._fewest is None or lost < self._fewest):
            self.best, self._fewest = Rendered(rendered.parts, (*rendered.repairs, WORDS_LOST)), lost
        elif not lost:
            self.best = rendered
        return not lost


class ChatTemplate:
    """A template is compiled once per model. A source that does not compile is refused when it is first rendered."""

    def __init__(self, source: str | None, bos: str, eos: str, guarded: tuple[str, ...]) -> None:
        """`source` None is ChatML. `guarded` are the texts that only the template may turn into control tokens."""
        self.source_name: Literal["model", "chatml"] = "chatml" if source is None else "model"
        self._guarded = guarded
        self._guard = Guard(guarded)
        self._special = {"bos_token": bos, "eos_token": eos}
        self._environment = Environment()
        self.broken: str | None = None
        """`broken` tells why the source does not compile, in Jinja's words; None where it does."""
        if source is not None and len(source) > MAX_SOURCE:
            self.broken = f"longer than {MAX_SOURCE} characters"
            return
        try:
            self._template = self._timed(lambda: self._environment.from_string(CHATML if source is None else source))
        except TemplateRefused as refusal:
            self.broken = str(refusal.details.get("reason", "takes too long"))

    def render(self, prompt: ChatPrompt, now: datetime) -> Rendered:
        """Renders the prompt's text, of a repaired conversation where the template refuses it as it is or loses words
        of it.

        Raises TemplateRefused with the template's own words about the conversation as it is, or when it takes too long.
        """
        if self.broken is not None:
            raise TemplateRefused("engine.template_broken", reason=self.broken)
        taken = _Taken()
        try:
            self._timed(lambda: self._try_all(prompt, now, taken))
        except TemplateRefused:
            if taken.best is None:
                raise
        assert taken.best is not None
        return taken.best

    def _try_all(self, prompt: ChatPrompt, now: datetime, taken: _Taken) -> None:
        """Finds the first variant of which the template shows every text, or the one that loses the fewest."""
        refusals: list[Exception] = []
        words = Words()
        marked = replace(prompt, messages=words.marked(prompt.messages))
        for telling, shadow in zip(tellings(prompt), tellings(marked), strict=False):
            if (
                refusals
                and isinstance(refusals[0], RecursionError)
                and TOOLS_SIMPLIFIED not in telling.forms[0].repairs
            ):
                continue  # no change of the turns mends it
            for guard, named in self._guards(prompt.messages):
                at, parts = self._first_accepted(telling, now, refusals, guard)
                if parts is None:
                    continue
                rendered = Rendered(parts, (*telling.forms[at].repairs, *named))
                taken.best = taken.best or rendered  # should the time end before it is known what it shows
                if taken.take(rendered, self._lost(shadow.forms[at].prompt, now, words, guard)):
                    return
        if taken.best is None:
            raise refusals[0]

    def _guards(self, messages: tuple[Message, ...]) -> Iterator[tuple[Guard, tuple[str, ...]]]:
        """Yields what keeps control tokens out of the texts, and the repair that it is. The first does for nearly all
        conversations: nothing is looked through or made for the second before."""
        yield self._guard, ()
        if has_thought_marks(messages):
            yield self._guard_of_thoughts, (THOUGHT_MARKS_AS_TEXT,)

    @cached_property
    def _guard_of_thoughts(self) -> Guard:
        """Guards the marks of thoughts, too. Making it takes as long as the other guard: about 40 ms with 256 control
        tokens."""
        return Guard((*self._guarded, *THOUGHT_MARKS))

    def _first_accepted(
        self, telling: Telling, now: datetime, refusals: list[Exception], guard: Guard
    ) -> tuple[int, tuple[TemplatePart, ...] | None]:
        """Returns the first form that the template takes, and what it makes of it: no other form has more words in
        it."""
        tried: dict[int, tuple[TemplatePart, ...] | None] = {}

        def rendered(at: int) -> tuple[TemplatePart, ...] | None:
            if at not in tried:
                tried[at] = self._accepted(telling.forms[at].prompt, now, refusals, guard)
            return tried[at]

        if rendered(0) is None and all(rendered(at) is None for at in telling.last):
            return 0, None
        return next(((at, parts) for at in range(len(telling.forms)) if (parts := rendered(at)) is not None), (0, None))

    def _lost(self, marked: ChatPrompt, now: datetime, words: Words, guard: Guard) -> int:
        """Returns how many texts a rendering of the marked conversation lacks; none where the marks are what it
        refuses."""
        shown = self._accepted(marked, now, [], guard)
        return 0 if shown is None else len(words.lost("".join(part.text for part in shown)))

    def _accepted(
        self, prompt: ChatPrompt, now: datetime, refusals: list[Exception], guard: Guard
    ) -> tuple[TemplatePart, ...] | None:
        """Returns the prompt's text; None where the template refuses the conversation, with its words in `refusals`."""
        try:
            try:
                return self._render(prompt, now, guard)
            except TypeError:
                if prompt.tools:
                    raise
                return self._render(prompt, now, guard, no_tools=[])  # one that never asks whether there are any
        except SecurityError:
            raise
        except (
            RecursionError,
            TemplateError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            refusals.append(error)
            return None

    def _render(
        self, prompt: ChatPrompt, now: datetime, guard: Guard, no_tools: list[Any] | None = None
    ) -> tuple[TemplatePart, ...]:
        # Digits in a private-use character: no template's filter changes it, and no user can guess it.
        mark = "\ue000" + str(secrets.randbelow(10**12)).zfill(12) + "\ue000"
        end = "\ue001" + mark[1:-1] + "\ue001"
        messages = [guard.marked(_as_seen(message), mark) for message in prompt.messages]
        if prompt.continue_final_message and messages:
            messages[-1]["content"] = (messages[-1]["content"] or "") + end + " "
        variables = {
            "date_string": now.strftime("%d %b %Y"),
            "datetime": now.strftime("%b %d %Y"),
            **guard.marked(prompt.template_kwargs, mark),
            **self._special,
            "messages": messages,
            "tools": guard.marked(list(prompt.tools), mark) or no_tools,
            "functions": _functions(prompt.tools, lambda value: guard.marked(value, mark)),
            "documents": None,
            "add_generation_prompt": prompt.add_generation_prompt,
            "continue_final_message": prompt.continue_final_message,
            "strftime_now": now.strftime,
            "raise_exception": _raise_exception,
        }
        self._environment.reset()
        marked = "".join(_bounded(self._template.generate(variables)))
        if prompt.continue_final_message and messages:
            marked = _up_to(marked, end)
        lead = (TemplatePart(prompt.lead, True),) if prompt.lead else ()
        return (*(TemplatePart(text, special) for text, special in guard.parts(marked, mark)), *lead)

    def _timed(self, action: Callable[[], Result]) -> Result:
        try:
            with Deadline(RENDER_SECONDS), memory.bounded():
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


def _as_seen(message: Message) -> dict[str, Any]:
    """Returns a message as templates see it. gpt-oss's template knows thoughts by another name."""
    seen = {"role": message.role, "content": message.content, **message.extra}
    if "reasoning_content" in seen:
        seen.setdefault("thinking", seen["reasoning_content"])
    return seen


def _functions(tools: tuple[dict[str, Any], ...], marked: Callable[[Any], Any]) -> str:
    """The tools as text, as Firefunction's template wants them under a name of its own."""
    return str(marked(json.dumps([tool.get("function", tool) for tool in tools], ensure_ascii=False))) if tools else ""


def _raise_exception(message: object) -> None:
    raise TemplateError(str(message))


def _bounded(chunks: Iterator[str]) -> Iterator[str]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_TEXT:
            raise SecurityError(f"the prompt is longer than {MAX_TEXT} characters")
        yield chunk


def _up_to(text: str, end: str) -> str:
    """Returns the prompt up to the end of the last message, whose answer is to go on.

    Behind the mark stands a space: where the template has trimmed it, it would have trimmed the message's end, too.
    """
    at = text.rfind(end)
    if at < 0:
        raise TemplateError("the template does not show the last message, so it cannot be continued")
    kept = text[:at]
    return kept if text.startswith(" ", at + len(end)) else kept.rstrip()
