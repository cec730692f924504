"""Runs a model in a program of one's own: `python examples/embedding.py MODEL.gguf [LIBLLAMA]`."""

from __future__ import annotations

import asyncio
import sys

import hoshikage


def main(model: str, library: str | None = None) -> None:
    with hoshikage.Engine(model=model, library=library, n_ctx=1024) as engine:
        print(engine.chat("星影とは何ですか？", temperature=0))
        for piece in engine.stream([{"role": "user", "content": "Who are you?"}], temperature=0, max_tokens=64):
            print(piece, end="", flush=True)
        print()


async def together(model: str, library: str | None = None) -> None:
    """Two answers are computed together where `n_parallel` allows it."""
    async with hoshikage.AsyncEngine(model=model, library=library, n_parallel=2) as engine:
        questions = ("こんにちは", "How do I add my own model?")
        for answer in await asyncio.gather(*(engine.chat(question, temperature=0) for question in questions)):
            print(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
    asyncio.run(together(*sys.argv[1:]))
