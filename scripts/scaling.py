"""Computes the tables of docs/SCALING from what they take for granted, and writes them where it is asked to.

`python3 scripts/scaling.py [--write]`, run by the environment's Python. Nothing is measured here: what the tables take
for granted stands above, and what was measured stands in the documents beside the command that measures it. Main
thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import matrix
import screen
from hoshikage.messages import Language

DOCUMENTS: Final[Mapping[Language, str]] = {"ja": "SCALING.ja.md", "en": "SCALING.md"}
NETWORK: Final = "<!-- made by scripts/scaling.py: network -->"
SERVERS: Final = "<!-- made by scripts/scaling.py: servers -->"
HEADS: Final[Mapping[str, Mapping[Language, str]]] = {
    NETWORK: {
        "ja": "モデル | 境目 1 つで 1 トークン | 1 Gbit/s | 10 Gbit/s",
        "en": "Model | A token over one border | At 1 Gbit/s | At 10 Gbit/s",
    },
    SERVERS: {
        "ja": "サーバー | 合わせたトークン/秒 | 毎秒 8 トークンで読む人 | モデル用のメモリ | "
        "計算中の電力と 1 時間の費用",
        "en": "Servers | Tokens/s together | Readers at 8 tokens/s | Memory for models | "
        "Power under load, and its cost an hour",
    },
}
MODELS: Final = (("8 B", 4096), ("70 B", 8192), ("405 B", 16384))
"""These are sizes of models, and how many numbers (`n_embd`) each hands on for a token."""
NUMBER_BYTES: Final = 4
COUNTS: Final = (1, 4, 16, 100, 1000)
TOKENS_TOGETHER: Final = 200
"""One server with a GPU is taken to make so many tokens a second with four answers together."""
TOKENS_READ: Final = 8
"""A person is taken to read so many tokens a second."""
MEMORY_GB: Final = 16
WATTS: Final = 300
EURO_PER_KWH: Final = Decimal("0.25")


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    for language, name in DOCUMENTS.items():
        for mark, made in tables(language).items():
            if options.write:
                matrix.write(screen.ROOT / "docs" / name, mark, made)
            else:
                show.line(made)
    return 0


def tables(language: Language) -> dict[str, str]:
    """Returns the tables by their marks."""
    rows: Mapping[str, Callable[[Language], Iterable[list[str]]]] = {NETWORK: network, SERVERS: servers}
    return {mark: matrix.table(HEADS[mark][language], make(language)) for mark, make in rows.items()}


def network(language: Language) -> Iterable[list[str]]:
    """Yields what a model's activations take on their way: four bytes for each number, once for each token."""
    opened, closed = ("（", "）") if language == "ja" else (" (", ")")
    for place, (name, numbers) in enumerate(MODELS):
        size = numbers * NUMBER_BYTES
        named = f"{name}{opened}{'`n_embd` ' if place == 0 else ''}{numbers}{closed}"
        yield [named, f"{size // 1024} KiB", *(f"{size * 8 / (gbit * 10**6):.2g} ms" for gbit in (1, 10))]


def servers(language: Language) -> Iterable[list[str]]:
    """Yields what so many servers do together and need: all of it grows with their number alone."""
    comma, euro = ("、", " ユーロ") if language == "ja" else (", ", " €")
    for count in COUNTS:
        tokens, memory, kilowatts = TOKENS_TOGETHER * count, MEMORY_GB * count, Decimal(WATTS * count) / 1000
        yield [
            f"{count:,}",
            f"{tokens:,}",
            f"{tokens // TOKENS_READ:,}",
            f"{memory} GB" if memory < 1000 else f"{memory / 1000:g} TB",
            f"{kilowatts.normalize():f} kW{comma}{_cost(kilowatts * EURO_PER_KWH)}{euro}",
        ]


def _cost(euros: Decimal) -> str:
    return str(euros.quantize(Decimal(1) if euros >= 10 else Decimal("0.01"), ROUND_HALF_UP))


if __name__ == "__main__":
    sys.exit(screen.run(main))
