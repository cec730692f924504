"""Judges the built-in model: the share of the corpus' questions, and of unseen paraphrases, that it answers rightly.

    python scripts/evaluate_demo_model.py                                        # numpy forward of the GGUF
    python scripts/evaluate_demo_model.py --base-url http://127.0.0.1:3030/v1    # a running Hoshikage

An answer is right when it holds every text that the corpus requires of it (`must` in demo/corpus/intents.txt).
Every answer is asked for at temperature 0. The reference engine needs numpy and gguf; --base-url needs neither.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))

from demo_training import corpus as corpora  # noqa: E402  # the path above comes first
from demo_training.evaluation import Engine, Verdict, judge, server_engine, share  # noqa: E402

MODEL = ROOT / "demo" / "hoshikage_demo" / "hoshikage-tiny.gguf"
SETS = ("trained", "heldout")


def reference_engine() -> Engine:
    from demo_training.evaluation import reference_engine as engine  # numpy and gguf, for this engine only

    return engine(MODEL)


def collect(engine: Engine, limit: int) -> dict[str, list[Verdict]]:
    """Collects verdicts of both sets; a limit draws that many cases of each, the same ones in every run."""
    corpus = corpora.load()
    cases = {"trained": corpora.trained_cases(corpus), "heldout": corpora.heldout_cases(corpus)}
    if limit:
        cases = {name: random.Random(name).sample(rows, min(limit, len(rows))) for name, rows in cases.items()}
    return {name: judge(rows, engine) for name, rows in cases.items()}


def of(verdicts: Sequence[Verdict], lang: str, group: str = "") -> list[Verdict]:
    return [v for v in verdicts if v.case.lang == lang and (not group or v.case.group == group)]


def summary(found: dict[str, list[Verdict]]) -> dict[str, Any]:
    """Shares and counts by set and language, by group, and the wrong answers."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name, verdicts in found.items():
        for group in dict.fromkeys(v.case.group for v in verdicts):
            for lang in corpora.LANGUAGES:
                rows = of(verdicts, lang, group)
                groups[group][f"{name} {lang}"] = f"{sum(v.right for v in rows)}/{len(rows)}"
    shares = {
        name: {
            "all": round(share(verdicts), 4),
            "cases": len(verdicts),
            **{lang: round(share(of(verdicts, lang)), 4) for lang in corpora.LANGUAGES},
        }
        for name, verdicts in found.items()
    }
    wrong = [
        {
            "set": name,
            "group": v.case.group,
            "lang": v.case.lang,
            "question": [*v.case.before, v.case.question],
            "answer": v.answer,
        }
        for name, verdicts in found.items()
        for v in verdicts
        if not v.right
    ]
    return {"shares": shares, "groups": groups, "wrong": wrong}


def table(report: dict[str, Any], show_wrong: bool) -> str:
    columns = [f"{name} {lang}" for name in SETS for lang in corpora.LANGUAGES]
    lines = ["".join([f"{'intent':<16}", *(f"{column:>12}" for column in columns)])]
    for group, row in report["groups"].items():
        lines.append("".join([f"{group:<16}", *(f"{row.get(column, '-'):>12}" for column in columns)]))
    for name, row in report["shares"].items():
        lines.append(f"{name}: {row['all']:.1%} of {row['cases']} right (ja {row['ja']:.1%}, en {row['en']:.1%})")
    if show_wrong:
        lines += [
            f"{row['set']} [{row['group']}] {' > '.join(row['question'])} -> {row['answer']}" for row in report["wrong"]
        ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge the built-in model's answers.")
    parser.add_argument("--engine", choices=("reference",), default="reference")
    parser.add_argument("--base-url", help="ask a running server instead, e.g. http://127.0.0.1:3030/v1")
    parser.add_argument("--model", default="hoshikage-tiny", help="label to ask for with --base-url")
    parser.add_argument("--limit", type=int, default=0, help="at most this many cases of each set")
    parser.add_argument("--wrong", action="store_true", help="print the wrong answers too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    engine = server_engine(args.base_url, args.model) if args.base_url else reference_engine()
    report = summary(collect(engine, args.limit))
    print(json.dumps(report, ensure_ascii=False, indent=1) if args.json else table(report, args.wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main())
