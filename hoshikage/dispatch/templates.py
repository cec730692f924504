"""Has a chat template compiled in a child process, before any model is loaded. Any thread; blocking."""

from __future__ import annotations

from typing import Final

from hoshikage.library import child

CHECK: Final = "hoshikage.runner.template_check"
TIMEOUT_S: Final = 20


def fault(source: str) -> str | None:
    """Returns why no chat could use the template, in Jinja's words; None where it compiles or cannot be tried."""
    try:
        ended = child.run(child.command(CHECK, TIMEOUT_S), TIMEOUT_S, source.encode("utf-8", "replace"))
    except OSError:
        return None
    answer = ended.answer() if ended.status == 0 else None
    result = answer.get("fault") if isinstance(answer, dict) else None
    return result if isinstance(result, str) else None
