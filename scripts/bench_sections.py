"""Measures what is beside one stream: prompts, clients, kept prefixes, guesses, schemas, switches. Main thread.

Each section takes its ways by turns, round after round, and gives one row a way: a value a round. The bare loop is the
same process for all of a section; servers that need other settings stand beside each other, idle while another has
its turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import bench_peers
from bench_client import Answer, ask, go_on
from bench_hybrid import LFM2
from bench_models import CYCLE, SHAPES, follower, write
from bench_report import resident_bytes
from screen import ROOT, Refused
from serving import get_json

if TYPE_CHECKING:
    from bench import Bench

CLIENTS: Final = (1, 2, 4, 8, 16)
PROMPTS: Final = (16, 256, 1024, 3000)
PLAIN: Final = 20_000
"""From this token a chain model goes on without ever repeating itself."""
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "title_of_the_report": {"type": "string", "maxLength": 12},
        "number_of_observations": {"type": "integer", "minimum": 0, "maximum": 99},
        "is_confirmed_by_others": {"type": "boolean"},
        "kind_of_celestial_body": {"enum": ["a star", "a planet", "a moon"]},
    },
    "required": [
        "title_of_the_report", "number_of_observations", "is_confirmed_by_others", "kind_of_celestial_body"
    ],
    "additionalProperties": False,
}  # fmt: skip
SLOTS: Final = 4
CACHE: Final = ROOT / ".cache" / "bench"


@dataclass(slots=True)
class Row:
    """This is one way: `key` is a row of TEXTS, `details` fill it; a value a round, in `unit`."""

    key: str
    unit: str
    details: dict[str, Any] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)


Section = Callable[["Bench", int], list[Row]]


def prompts(bench: Bench, rounds: int) -> list[Row]:
    """Measures the first text behind prompts of several lengths."""
    file, rows, counts = _file("small"), list[Row](), PROMPTS[:3] if bench.quick else PROMPTS
    for count in counts:
        rows += [Row("bench_row_bare", "ms", {"what": f"{count}"}), Row("bench_row_own", "ms", {"what": f"{count}"})]
    with ExitStack() as stack:
        bare = stack.enter_context(bench.bare(file))
        server = stack.enter_context(bench.server(file, IDLE_TIMEOUT="0"))
        go_on(server.url, _tokens(8), 1, stream=True)
        for number in range(rounds):
            for at, count in enumerate(counts):
                tokens = _tokens(count, number)
                rows[2 * at].values.append(bench.bare_answer(bare, tokens, 1).first_s * 1e3)
                rows[2 * at + 1].values.append(go_on(server.url, tokens, 2, stream=True).first_s * 1e3)
    return rows


def peers(bench: Bench, rounds: int) -> list[Row]:
    """Measures one stream against llama-server, which brings a libllama of its own."""
    peer = bench_peers.peer(bench.library)
    rows: list[Row] = []
    for name, maximum in (("tiny", 256), ("small", 48)):
        file = _file(name)
        own = Row("bench_row_own", "tokens/s", {"what": name})
        other = Row("bench_row_llama_server", "tokens/s", {"what": name})
        gaps = [Row(f"bench_row_gap_{which}", "ms", {"what": name}) for which in ("own", "other")]
        with ExitStack() as stack:
            server = stack.enter_context(bench.server(file, IDLE_TIMEOUT="0"))
            urls = [server.url]
            if peer is not None:
                urls.append(stack.enter_context(bench_peers.llama_server(peer, file, 1, 4096)))
            for url in urls:
                _question(url, 4, 0)
            for _ in range(rounds):
                for row, gap, url in zip((own, other), gaps, urls, strict=False):
                    answer = _question(url, maximum, 0)
                    row.values.append(answer.tokens / answer.total_s)
                    gap.values.append(answer.gaps_ms[1])
        rows += [own, other, *gaps]
    return rows


def clients(bench: Bench, rounds: int) -> list[Row]:
    """Measures several clients at once: all tokens of all of them a second, and the median first text. The limit is a
    bare loop over as many sequences, which decodes a token of each at a time."""
    file, maximum = _file("small"), 48
    peer = bench_peers.peer(bench.library)
    rows: dict[tuple[str, int], tuple[Row, Row]] = {}
    with ExitStack() as stack:
        bare = stack.enter_context(bench.bare(file))
        limit = stack.enter_context(bench.bare(file, CLIENTS[-1]))
        urls = {
            "one": stack.enter_context(bench.server(file, "one", IDLE_TIMEOUT="0")).url,
            "own": stack.enter_context(bench.server(file, "own", IDLE_TIMEOUT="0", N_PARALLEL=str(CLIENTS[-1]))).url,
        }
        if peer is not None:
            urls["llama_server"] = stack.enter_context(bench_peers.llama_server(peer, file, SLOTS, 4096))
        for url in urls.values():
            _question(url, 4, 0)
        for _ in range(rounds):
            for count in CLIENTS:
                alone = [bench.bare_question(bare, _words(number), maximum) for number in range(count)]
                _note(rows, "bare", count, alone, sum(answer.total_s for answer in alone))
                possible = bench.bare_together(limit, [_words(number) for number in range(count)], maximum)
                _note(rows, "limit", count, [possible], possible.total_s)
                for way, url in urls.items():
                    together, seconds = _at_once(url, count, maximum)
                    _note(rows, way, count, together, seconds)
    return [row for pair in rows.values() for row in pair]


def second_turn(bench: Bench, rounds: int) -> list[Row]:
    """Measures the first text of a chat's second turn, whose prompt begins with the first turn's."""
    file = _file("small")
    rows = [Row("bench_row_turn_anew", "ms"), Row("bench_row_turn_kept", "ms"), Row("bench_row_turn_llama", "ms")]
    peer = bench_peers.peer(bench.library)
    with ExitStack() as stack:
        urls = [
            stack.enter_context(bench.server(file, "anew", IDLE_TIMEOUT="0")).url,
            stack.enter_context(bench.server(file, "kept", IDLE_TIMEOUT="0", KV_REUSE="prefix")).url,
        ]
        if peer is not None:
            urls.append(stack.enter_context(bench_peers.llama_server(peer, file, 1, 4096)))
        for number in range(rounds):
            for row, url in zip(rows, urls, strict=False):
                turns = [{"role": "user", "content": _long_words(number, 470)}]
                first = ask(url, "", 8, stream=True, messages=turns)
                turns += [{"role": "assistant", "content": first.text}, {"role": "user", "content": "And then?"}]
                row.values.append(ask(url, "", 8, stream=True, messages=turns).first_s * 1e3)
    return rows


def checkpoints(bench: Bench, rounds: int) -> list[Row]:
    """Measures the same as `second_turn` does, of models whose memory cannot be cut: LFM2's kind, and a Gemma beyond
    its window of 512."""
    rows: list[Row] = []
    for name, file in {"LFM2": write(LFM2, CACHE), "Gemma-3-270M": bench.real_model("gemma3")}.items():
        if file is None:
            continue
        pair = [Row(f"bench_row_state_{way}", "ms", {"what": name}) for way in ("anew", "kept")]
        rows += pair
        with ExitStack() as stack:
            urls = [
                stack.enter_context(bench.server(file, way, IDLE_TIMEOUT="0", KV_REUSE=way)).url
                for way in ("off", "prefix")
            ]
            for number in range(rounds):
                for row, url in zip(pair, urls, strict=True):
                    row.values.append(_second_turn_ms(url, number))
    return rows


def _second_turn_ms(url: str, number: int) -> float:
    """Measures the first text of the second turn. The first one's answer comes back without its last word, as no answer
    was."""
    turns = [{"role": "user", "content": _long_words(number, 470)}]
    first = ask(url, "", 8, stream=True, messages=turns)
    turns += [{"role": "assistant", "content": first.text[:-1]}, {"role": "user", "content": "And then?"}]
    return ask(url, "", 8, stream=True, messages=turns).first_s * 1e3


def put_away(bench: Bench, rounds: int) -> list[Row]:
    """Measures the first text of a conversation of 3,000 tokens that goes on after an idle unload, load included; and
    how long the model's end took, which is what putting it away costs."""
    file = _file("small")
    ways = ("off", "memory", "disk")
    rows = {way: Row(f"bench_row_put_away_{way}", "ms") for way in ways}
    ends = {way: Row(f"bench_row_put_away_end_{way}", "ms") for way in ways}
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="hoshikage-bench-cache-"))
        urls = {}
        for way in ways:
            settings: dict[str, Any] = {
                "KV_REUSE": "prefix",
                "IDLE_TIMEOUT": "0.2",
                "KV_STORE": way,
                "XDG_CACHE_HOME": folder,
            }
            urls[way] = stack.enter_context(bench.server(file, way, **settings)).url
            ask(urls[way], "a", 1, stream=False)  # the library is examined once
        for number in range(rounds):
            for way, url in urls.items():
                bench.await_unload(url)
                turns = [{"role": "user", "content": _long_words(number, 510)}]
                first = ask(url, "", 8, stream=True, messages=turns)
                begun = time.perf_counter()
                bench.await_unload(url)
                ends[way].values.append((time.perf_counter() - begun) * 1e3)
                turns += [{"role": "assistant", "content": first.text}, {"role": "user", "content": "And then?"}]
                rows[way].values.append(ask(url, "", 8, stream=True, messages=turns).first_s * 1e3)
    return [*rows.values(), *ends.values()]


def guesses(bench: Bench, rounds: int) -> list[Row]:
    """Measures looking up and a draft model, on a model that costs what `small` costs and whose text is known."""
    file, maximum = _file("chain"), 160
    texts = {"repeats": _chain(CYCLE.start, 150), "differs": [*_decoys(), PLAIN - 1]}
    rows = {
        (text, way): Row(f"bench_row_{way}", "tokens/s", {"what": text})
        for text in texts
        for way in ("bare", "own", "lookup", "draft")
    }
    with ExitStack() as stack:
        bare = stack.enter_context(bench.bare(file))
        draft = str(_file("chain-draft"))
        urls = {
            "own": stack.enter_context(bench.server(file, IDLE_TIMEOUT="0")).url,
            "lookup": stack.enter_context(bench.server(file, "lookup", IDLE_TIMEOUT="0", SPECULATION="lookup")).url,
            "draft": stack.enter_context(bench.server(file, "draft", draft=draft, IDLE_TIMEOUT="0")).url,
        }
        for url in urls.values():
            go_on(url, texts["differs"], 4, stream=True)
        for _ in range(rounds):
            for name, tokens in texts.items():
                answer = bench.bare_answer(bare, tokens, maximum)
                rows[name, "bare"].values.append(_rate(answer))
                for way, url in urls.items():
                    other = go_on(url, tokens, maximum, stream=True)
                    if other.text != answer.text:
                        raise Refused("bench_texts_differ", way=way)
                    rows[name, way].values.append(_rate(other))
    return list(rows.values())


def structured(bench: Bench, rounds: int) -> list[Row]:
    """Measures the tokens a second of an answer under a schema, and of the bare loop for as many tokens without one."""
    file = _file("small")
    rows = [Row("bench_row_bare", "tokens/s", {"what": ""}), Row("bench_row_schema", "tokens/s")]
    form = {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA, "strict": True}}
    with ExitStack() as stack:
        bare = stack.enter_context(bench.bare(file))
        server = stack.enter_context(bench.server(file, IDLE_TIMEOUT="0"))
        ask(server.url, _words(0), 200, stream=False, response_format=form)
        for number in range(rounds):
            answer = ask(server.url, _words(number), 200, stream=True, response_format=form)
            rows[1].values.append(_rate(answer))
            rows[0].values.append(_rate(bench.bare_question(bare, _words(number), answer.tokens)))
    return rows


def switches(bench: Bench, rounds: int) -> list[Row]:
    """Measures the time from a request for another model to its first text, and what of it is neither libllama's load
    nor the prompt."""
    files = {name: _file(name) for name in ("tiny", "small")}
    rows = {name: Row("bench_row_switch", "ms", {"what": name}) for name in files}
    loads = {name: Row("bench_row_bare_load", "ms", {"what": name}) for name in files}
    over = {name: Row("bench_row_switch_over", "ms", {"what": name}) for name in files}
    with bench.server(files["tiny"], IDLE_TIMEOUT="0", others=files) as server:
        ask(server.url, "a", 1, stream=False, model="small")
        for _ in range(rounds):
            for name, file in files.items():
                loads[name].values.append(bench.bare_load_ms(file))
                bench.await_spare(server.url)
                answer = ask(server.url, "a", 1, stream=False, model=name, timings=True)
                rows[name].values.append(answer.total_s * 1e3)
                last = get_json(server.url, "/v1/status")["last_requests"][0]
                over[name].values.append(last["load_ms"] - loads[name].values[-1])
    return [*rows.values(), *loads.values(), *over.values()]


def sleep(bench: Bench, rounds: int) -> list[Row]:
    """Measures what a sleeping server holds, how quickly it tells its health, and what its waking adds to an answer."""
    memory, health = Row("bench_row_asleep", "MiB"), Row("bench_row_asleep_health", "ms")
    bench.bare_load_ms(_file("tiny"))  # which tells what library this is
    woken, awake, added = Row("bench_row_woken", "ms"), Row("bench_row_awake", "ms"), Row("bench_row_waking", "ms")
    with bench.server(_file("tiny"), SLEEP_TIMEOUT="1", IDLE_TIMEOUT="1", RUNNER_AHEAD="off") as server:
        for _ in range(rounds):
            bench.await_sleep(server.url)
            memory.values.append(resident_bytes(server.process.pid) / 2**20)
            health.values.append(_asked_ms(server.url, "/health"))
            woken.values.append(_asked_ms(server.url, "/v1/models"))
            awake.values.append(_asked_ms(server.url, "/v1/models"))
            added.values.append(woken.values[-1] - awake.values[-1])
    return [memory, health, woken, awake, added]


def _asked_ms(url: str, path: str) -> float:
    begun = time.perf_counter()
    if get_json(url, path, timeout_s=30.0) is None:
        raise Refused("server_ended", status="-", output=path)
    return (time.perf_counter() - begun) * 1e3


SECTIONS: Final[dict[str, Section]] = {
    "prompts": prompts,
    "peers": peers,
    "clients": clients,
    "second_turn": second_turn,
    "checkpoints": checkpoints,
    "put_away": put_away,
    "guesses": guesses,
    "structured": structured,
    "switches": switches,
    "sleep": sleep,
}


def _file(name: str) -> Path:
    return write(SHAPES[name], CACHE)


def _tokens(count: int, number: int = 0) -> list[int]:
    """Makes ids that no two rounds have in common."""
    return [1000 + (7 * at + 50_021 * number + 31 * count) % 140_000 for at in range(count)]


def _chain(first: int, count: int) -> list[int]:
    tokens = [first]
    while len(tokens) < count:
        tokens.append(follower(tokens[-1]))
    return tokens


def _decoys() -> list[int]:
    """Makes pieces of the text to come, each with something else behind it than will follow: a look-up is led
    astray."""
    return [token for at in range(12) for token in (*_chain(PLAIN + 20 * at, 3), *_chain(60_000 + 100 * at, 9))]


def _words(number: int) -> str:
    return f"Tell me about the {number}. star of the night."


def _long_words(number: int, count: int) -> str:
    return " ".join(f"star {(number * 977 + at) % 1000}" for at in range(count))


def _question(url: str, maximum: int, number: int) -> Answer:
    # llama-server keeps prompts unless it is told not to; here each is to be computed by everybody.
    return ask(url, _words(number), maximum, stream=True, cache_prompt=False)


def _rate(answer: Answer) -> float:
    return (answer.tokens - 1) / (answer.total_s - answer.first_s)


def _at_once(url: str, count: int, maximum: int) -> tuple[list[Answer], float]:
    """Returns what so many clients are answered, and the seconds from the first question to the last answer."""
    answers: list[Answer | None] = [None] * count
    ready = threading.Barrier(count + 1)

    def run(number: int) -> None:
        ready.wait()
        answers[number] = _question(url, maximum, number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    return [answer for answer in answers if answer is not None], seconds


def _note(
    rows: dict[tuple[str, int], tuple[Row, Row]], way: str, count: int, answers: Sequence[Answer], seconds: float
) -> None:
    if (way, count) not in rows:
        details = {"what": f"{count}"}
        rows[way, count] = (
            Row(f"bench_row_{way}", "tokens/s", details),
            Row(f"bench_row_first_{way}", "ms", details),
        )
    rate, first = rows[way, count]
    rate.values.append(sum(answer.tokens for answer in answers) / seconds)
    waits = sorted(answer.first_s for answer in answers)
    first.values.append(waits[len(waits) // 2] * 1e3)
