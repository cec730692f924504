"""Measures the running server against a bare loop over the same library and model, by turns in one run.

`python3 scripts/bench.py [--quick] [--models builtin,tiny,small] [--library FILE] [--json FILE] ...`.
Main thread; the server, its runner and the bare loop are processes of their own, and the client here is a plain
socket that only looks for marks in what it receives. Figures of different runs are not comparable: a shared machine
is not the same machine an hour later. That is why everything is measured by turns and shown with its spread.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bench_plot
import real_models
from bench_client import Answer, ask
from bench_report import WAYS, Report, machine, markdown, resident_bytes
from bench_targets import targets
from bootstrap import Environment, prepare
from screen import ROOT, Refused, Screen, run
from serving import Server, get_json, is_unloaded, wait_until

if TYPE_CHECKING:
    from bench_sections import Row

UNCOMPILED: Final = "PYTHONDONTWRITEBYTECODE"
"""With it a server of a clone would compile its modules at each start; an installed one never does."""
SECTIONS: Final = (
    "prompts",
    "peers",
    "clients",
    "second_turn",
    "checkpoints",
    "put_away",
    "guesses",
    "structured",
    "switches",
    "sleep",
    "ramdisk",
)
MODELS: Final = ("builtin", "tiny", "small", "mid")
RANDOM_QUESTION: Final = "Tell me about the stars of the night."
BUILT_IN_QUESTIONS: Final = ("星影とは何ですか？", "こんにちは", "How do I add my own model?", "Who are you?")
SLOW: Final = ("prompts", "second_turn", "checkpoints", "put_away", "clients")
"""A quick run takes one round of these sections."""
TOKENS: Final = {"builtin": 200, "tiny": 256, "small": 48, "mid": 32}
POLL_S: Final = 0.002


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(description=screen.text("bench_about"))
    parser.add_argument("--models", default="", help=", ".join(MODELS))
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help=screen.text("bench_rounds_help"))
    parser.add_argument("--quick", action="store_true", help=screen.text("bench_quick_help"))
    parser.add_argument("--only", default="", help="stream, " + ", ".join(SECTIONS))
    parser.add_argument("--profile", action="store_true", help=screen.text("bench_profile_help"))
    parser.add_argument("--plot", type=Path, metavar="FILE", help=screen.text("bench_plot_help"))
    parser.add_argument("--library", type=Path, metavar="FILE", help=screen.text("bench_library_help"))
    parser.add_argument("--here", action="store_true", help=screen.text("bench_here_help"))
    parser.add_argument("--json", type=Path, metavar="FILE", help=screen.text("bench_json_help"))
    parser.add_argument("--markdown", type=Path, metavar="FILE", help=screen.text("bench_markdown_help"))
    parser.add_argument("--show", type=Path, metavar="FILE", help=screen.text("bench_show_help"))
    options = parser.parse_args()
    if options.show:
        return show(screen, json.loads(options.show.read_text(encoding="utf-8")), options)
    command = [sys.executable, "-m", "hoshikage"]
    if not options.here:
        environment, _ = prepare(screen, ("test",))
        if Path(sys.prefix).resolve() != environment.folder.resolve():
            return _again_with(environment)
        command = [str(environment.command("hoshikage"))]
    names = options.models.split(",") if options.models else list(MODELS[: 3 if options.quick else 4])
    if unknown := [name for name in names if name not in MODELS]:
        raise Refused("bench_unknown_model", name=unknown[0], allowed=", ".join(MODELS))
    bench = Bench(screen, command, _library(options.library), options.rounds or (2 if options.quick else 7))
    if options.profile:
        return bench.profile(names[-1])
    chosen = options.only.split(",") if options.only else ["stream", *SECTIONS]
    if unknown := [name for name in chosen if name not in ("stream", *SECTIONS)]:
        raise Refused("bench_unknown_model", name=unknown[0], allowed=", ".join(("stream", *SECTIONS)))
    reports = [bench.model(name) for name in names] if "stream" in chosen else []
    starts = bench.starts(3 if options.quick else 9) if "stream" in chosen else []
    sections = {name: bench.section(name, options.quick) for name in SECTIONS if name in chosen}
    result = {
        "machine": machine(),
        "library": bench.library_facts,
        "rounds": bench.rounds,
        "start_to_healthy_ms": starts,
        "models": [asdict(report) for report in reports],
        "sections": {name: [asdict(row) for row in rows] for name, rows in sections.items()},
    }
    return show(screen, result, options)


def show(screen: Screen, result: dict[str, Any], options: argparse.Namespace) -> int:
    table = "\n\n".join((markdown(screen, result), *targets(screen, result)))
    screen.line()
    screen.line(table)
    if options.plot:
        bench_plot.draw(result, options.plot)
    if options.json:
        options.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(table + "\n", encoding="utf-8")
    return 0


def _again_with(environment: Environment) -> int:
    """Runs this script with the environment's Python, in this very process where the system can."""
    command = [str(environment.python), *sys.argv]
    if os.name != "nt":
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


class Bench:
    """This is one run over one library."""

    def __init__(self, screen: Screen, command: list[str], library: Path, rounds: int) -> None:
        """`command` starts Hoshikage; all else is run by this Python."""
        self._screen = screen
        self._command = command
        self.library = library
        self.rounds = rounds
        self.quick = False
        self.library_facts: dict[str, str] = {}

    def model(self, name: str) -> Report:
        """Measures one model. The bare loop and the server stay loaded side by side and take turns."""
        report, file = Report(name), _model_file(name)
        questions = BUILT_IN_QUESTIONS if name == "builtin" else (RANDOM_QUESTION,)
        with self._screen.step("bench_model", name=name, rounds=self.rounds), ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hoshikage-bench-")))
            self._measure_memory(report, folder, file, questions[0])
            bare = stack.enter_context(self._bare(report, file))
            server = stack.enter_context(self._server(folder, file, IDLE_TIMEOUT="0"))
            texts = [ask(server.url, question, TOKENS[name], stream=True).text for question in questions]
            for number in range(self.rounds):
                self._screen.progress(f"{number + 1} / {self.rounds}")
                answers: dict[str, list[Answer]] = {way: [] for way in WAYS}
                order = list(WAYS) if number % 2 == 0 else list(reversed(WAYS))  # nobody always comes first
                for question in questions:
                    for way in order:
                        answers[way].append(_answer(bare, server, way, question, TOKENS[name]))
                _add_round(report, answers, texts)
        return report

    def starts(self, times: int) -> list[float]:
        """Measures the milliseconds from the start of `hoshikage` to its first good answer on /health, one value a
        start.

        The first start is not counted: only one that is like the last is healthy before the server itself is there.
        """
        taken: list[float] = []
        port = _free_port()
        with self._screen.step("bench_starts", times=times), tempfile.TemporaryDirectory() as folder:
            for number in range(times + 1):
                started = time.perf_counter()
                with self._process(Path(folder), "--port", str(port)) as process:
                    wait_until(partial(_is_healthy, process, port), "server_silent", pause_s=POLL_S, output="")
                    if number:
                        taken.append((time.perf_counter() - started) * 1e3)
        return taken

    def section(self, name: str, quick: bool) -> list[Row]:
        rounds = (1 if name in SLOW else 2) if quick else min(self.rounds, 5)
        with self._screen.step("bench_section", name=self._screen.text(f"bench_{name}_title"), rounds=rounds):
            import bench_ramdisk  # only in the environment that has what they import
            import bench_sections

            self.quick = quick
            return {**bench_sections.SECTIONS, "ramdisk": bench_ramdisk.ramdisk}[name](self, rounds)

    def profile(self, name: str) -> int:
        """Prints what one token takes inside the engine, in microseconds."""
        command = [sys.executable, str(ROOT / "scripts" / "bench_profile.py")]
        ran = subprocess.run(
            [*command, str(self.library), str(_model_file(name)), str(TOKENS[name])], capture_output=True, text=True
        )
        if ran.returncode:
            raise Refused("command_failed", command="bench_profile.py", status=ran.returncode, output=ran.stderr)
        for part, micros in json.loads(ran.stdout).items():
            self._screen.line(f"{self._screen.text(f'bench_part_{part}'):<32} {micros:10.2f} µs")
        return 0

    # What the sections measure with

    def bare_answer(self, bare: subprocess.Popen[str], tokens: Sequence[int], maximum: int) -> Answer:
        """Returns what follows these tokens, by the bare loop."""
        return _bare(bare, maximum, tokens=list(tokens))

    def bare_question(self, bare: subprocess.Popen[str], question: str, maximum: int) -> Answer:
        return _bare(bare, maximum, question=question)

    def bare_together(self, bare: subprocess.Popen[str], questions: Sequence[str], maximum: int) -> Answer:
        """Returns the answers to all questions at once, by a bare loop that was opened for as many sequences at
        least."""
        return _bare(bare, maximum, questions=list(questions))

    @contextmanager
    def bare(self, file: Path, n_sequences: int = 1) -> Iterator[subprocess.Popen[str]]:
        with self._bare(Report(file.stem), file, n_sequences) as process:
            yield process

    def bare_load_ms(self, file: Path) -> float:
        """Measures libllama's own load of model and context, in a process that does nothing else."""
        report = Report(file.stem)
        with self._bare(report, file):
            return report.load_s * 1e3

    @contextmanager
    def server(
        self, file: Path, name: str = "", draft: str = "", others: Mapping[str, Path] | None = None, **settings: str
    ) -> Iterator[Server]:
        """A server with this model as `bench`, and `others` by their names."""
        with tempfile.TemporaryDirectory(prefix=f"hoshikage-bench-{name}") as folder:
            models = {"bench": file, **(others or {})}
            with self._server(Path(folder), models, draft, **settings) as server:
                yield server

    def real_model(self, name: str) -> Path | None:
        return real_models.brought(self._screen, name)

    def await_spare(self, url: str) -> None:
        """Waits until a runner has been started ahead, as it is while nobody asks for anything."""
        wait_until(lambda: get_json(url, "/v1/status")["runner"]["ahead"] is not None, "bench_no_spare", pause_s=POLL_S)

    def await_unload(self, url: str) -> None:
        """Waits until the model has been unloaded, as it is when nobody asks for anything."""
        wait_until(lambda: is_unloaded(url), "bench_no_unload", pause_s=POLL_S)

    def await_sleep(self, url: str) -> None:
        """Waits until the server is a sleeper, as it is when nobody asks for anything."""
        wait_until(lambda: (get_json(url, "/v1/status") or {}).get("state") == "sleeping", "bench_no_sleep")

    def _measure_memory(self, report: Report, folder: Path, file: Path, question: str) -> None:
        with self._server(folder, file, IDLE_TIMEOUT="1") as server:
            report.memory["server_idle"] = resident_bytes(server.process.pid)
            report.cold_first_s = ask(server.url, question, 16, stream=True).first_s
            status = get_json(server.url, "/v1/status")
            report.memory["server_loaded"] = resident_bytes(server.process.pid)
            report.memory["runner_loaded"] = resident_bytes(status["runner"]["pid"])
            wait_until(lambda: is_unloaded(server.url), "bench_no_unload")
            status = get_json(server.url, "/v1/status")
            report.memory["server_unloaded"] = resident_bytes(server.process.pid)
            report.memory["runner_unloaded"] = 0 if status["runner"]["pid"] is None else -1

    @contextmanager
    def _bare(self, report: Report, file: Path, n_sequences: int = 1) -> Iterator[subprocess.Popen[str]]:
        command = [
            sys.executable,
            str(ROOT / "scripts" / "bench_bare.py"),
            str(self.library),
            str(file),
            str(n_sequences),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdin is not None
            facts = _read(process)
            report.load_s, report.n_params, report.size_bytes = facts["load_s"], facts["n_params"], facts["size_bytes"]
            self.library_facts = {key: facts[key] for key in ("version", "variant", "system_info")}
            yield process
            process.stdin.close()

    @contextmanager
    def _server(
        self, folder: Path, models: Path | Mapping[str, Path], draft: str = "", **settings: str
    ) -> Iterator[Server]:
        files = {"bench": models} if isinstance(models, Path) else models
        guessing = {"draft": draft} if draft else {}
        entries = {
            name: {"path": str(file.parent), "model": file.name, "stop": [], **guessing} for name, file in files.items()
        }
        (folder / "model_map.json").write_text(json.dumps(entries), encoding="utf-8")
        command = [*self._command, "--port", "0"]
        with Server(command, self._variables(folder, **settings)) as server:
            yield server

    @contextmanager
    def _process(self, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(
            [*self._command, *arguments],
            env=self._variables(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def _variables(self, folder: Path, **settings: str) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if name != UNCOMPILED}
        return {
            **environ,
            "HOST": "127.0.0.1",
            "HOSHIKAGE_LIB_PATH": str(self.library),
            "MODEL_MAP_FILE": str(folder / "model_map.json"),
            "RAMDISK_PATH": "off",  # the bare loop loads from the disk too
            **settings,
        }


def _library(given: Path | None) -> Path:
    """Returns the library file to measure with: the one named, else the one the server would take."""
    from hoshikage.library import locate
    from hoshikage.settings import load

    settings = load({}, os.environ, Path.cwd()).settings
    return locate.find(given or settings.lib_path, settings.lib_dir, os.environ).file


def _model_file(name: str) -> Path:
    if name == "builtin":
        from hoshikage.library import demo

        result = demo.find()
        if result is None:
            raise Refused("quickstart_no_model", path=ROOT / "demo" / "hoshikage_demo")
        return result.model
    import bench_models

    return bench_models.write(bench_models.SHAPES[name], ROOT / ".cache" / "bench")


def _answer(bare: subprocess.Popen[str], server: Server, way: str, question: str, maximum: int) -> Answer:
    if way in ("streamed", "plain"):
        return ask(server.url, question, maximum, stream=way == "streamed")
    assert bare.stdin is not None
    bare.stdin.write(json.dumps({"question": question, "max_tokens": maximum, "sampler": way}) + "\n")
    bare.stdin.flush()
    return Answer(**_read(bare))


def _is_healthy(process: subprocess.Popen[bytes], port: int) -> bool:
    """Returns whether the server that starts answers. Raises Refused for one that has ended."""
    if process.poll() is not None:
        raise Refused("server_ended", status=process.returncode, output="")
    return get_json(f"http://127.0.0.1:{port}", "/health") is not None


def _bare(process: subprocess.Popen[str], maximum: int, **asked: Any) -> Answer:
    assert process.stdin is not None
    process.stdin.write(json.dumps({**asked, "max_tokens": maximum, "sampler": "argmax"}) + "\n")
    process.stdin.flush()
    return Answer(**_read(process))


def _read(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Refused("command_failed", command="bench_bare.py", status=process.wait(), output="")
    return json.loads(line)


def _add_round(report: Report, answers: dict[str, list[Answer]], texts: list[str]) -> None:
    """Adds one round's figures, over all questions. Every way must have given the same text, or they did different
    work."""
    for way, given in answers.items():
        if [answer.text for answer in given] != texts:
            raise Refused("bench_texts_differ", way=way)
        tokens, total = sum(answer.tokens for answer in given), sum(answer.total_s for answer in given)
        report.end_to_end.setdefault(way, []).append(tokens / total)
        if way != "plain":
            first = sum(answer.first_s for answer in given)
            report.decode.setdefault(way, []).append((tokens - len(given)) / (total - first))
            report.first_ms.setdefault(way, []).append(statistics.fmean(answer.first_s for answer in given) * 1e3)
    report.tokens = sum(answer.tokens for answer in answers["argmax"])
    report.prompt_tokens = sum(answer.prompt_tokens for answer in answers["argmax"])
    streamed, bare = report.decode["streamed"][-1], report.decode["argmax"][-1]
    report.overhead_us.append((1 / streamed - 1 / bare) * 1e6)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(run(main))
