"""Checks whether a chat template can be compiled: reads its source from stdin, prints one line of JSON. Main thread.

A process of its own, for a command that registers a model: Jinja stays out of that one, and a template that takes
Jinja down takes only this one. The template is parsed in the sandbox and never rendered.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from hoshikage.llama.template import ChatTemplate


def main(_argv: Sequence[str] | None = None) -> int:
    source = sys.stdin.buffer.read().decode("utf-8", "replace")
    print(json.dumps({"fault": ChatTemplate(source, "", "", ()).broken}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
