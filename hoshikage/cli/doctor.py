"""Looks at everything an answer needs, and says what to do about what is wrong: `hoshikage doctor`. Main thread."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hoshikage import __version__, settings
from hoshikage.access.tokens import TokenStore
from hoshikage.cli import result
from hoshikage.cli.checking import judge
from hoshikage.cli.client import Server
from hoshikage.cli.connection import WAKING_S
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import describe, size
from hoshikage.cli.model_notes import lacking_media
from hoshikage.cli.options import shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.cores import is_busy, physical_cores, threads
from hoshikage.dispatch.wanted import require_parts
from hoshikage.errors import HoshikageError
from hoshikage.gguf import read, read_chat_model, require_adapters
from hoshikage.library import dependencies, drivers, gpu, library_state, locate, rpc, selection
from hoshikage.library.case import fallen_words
from hoshikage.registry import Issue, ModelSpec, Persona, Registry

if TYPE_CHECKING:
    from rich.console import Console

OK, WARNING, PROBLEM = "ok", "warning", "problem"
STYLES: Final = {OK: "green", WARNING: "yellow", PROBLEM: "bold red"}
LOW_DISK_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """This is one line of the report."""

    subject: str
    """`subject` is a stable name, such as `library` or `model`; for `--json`."""
    state: str
    text: str
    advice: str = ""


Findings = Iterator[Finding]


def register(commands: Commands) -> None:
    commands.add("doctor", commands.text("cli.doctor_summary")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    checks: tuple[Callable[[CommandContext], Findings], ...] = (
        _program, _settings, _folders, _machine, _library, _models, _memory, _port
    )  # fmt: skip
    findings = [finding for check in checks for finding in check(context)]
    worst = next((state for state in (PROBLEM, WARNING) if any(f.state == state for f in findings)), OK)

    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            style = STYLES[finding.state]
            table.add_row(context.text(f"doctor.{finding.state}"), finding.text, style=style if finding.advice else "")
            if finding.advice:
                table.add_row("", "→ " + finding.advice)
        console.print(table)
        console.print()
        console.print(context.text(f"doctor.all_{worst}"), style=STYLES[worst])

    data = {
        "state": worst,
        "findings": [{"subject": f.subject, "state": f.state, "text": f.text, "advice": f.advice} for f in findings],
    }
    return CommandResult(1 if worst == PROBLEM else 0, data, view)


def _program(context: CommandContext) -> Findings:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("program", OK, context.text("doctor.program", version=__version__, python=version))


def _settings(context: CommandContext) -> Findings:
    """Yields the `.env` files of which a part is not in force, each with what is not."""
    for file in dict.fromkeys(str(warning.details["file"]) for warning in context.warnings):
        why = "\n".join(_message(warning, context) for warning in context.warnings if warning.details["file"] == file)
        yield Finding("settings", WARNING, context.text("doctor.env_partly", file=file), why)


def _folders(context: CommandContext) -> Findings:
    registry_folder = context.settings.model_map_file.parent
    for name, folder in (
        ("config", settings.config_dir()),
        ("registry", registry_folder),
        ("cache", settings.cache_dir()),
    ):
        if name == "registry" and folder == settings.config_dir():
            continue
        there = next((parent for parent in (folder, *folder.parents) if os.access(parent, os.F_OK)), folder)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            text = context.text("doctor.folder_refused", folder=folder)
            yield Finding("folder", PROBLEM, text, context.text("doctor.folder_advice", folder=there))
            continue
        free = shutil.disk_usage(there).free
        text = context.text(f"doctor.folder_{name}", folder=folder, free=size(free))
        low = free < LOW_DISK_BYTES
        yield Finding("folder", WARNING if low else OK, text, context.text("doctor.disk_advice") if low else "")


def _library(context: CommandContext) -> Findings:
    result.transient(context.text("doctor.examining"))
    try:
        located = locate.find(context.settings.lib_path, context.settings.lib_dir, context.environ)
        judged = judge(located.file, context)
        judged.require()
        lacking = dependencies.survey(located.file, context.environ)
        idle = tuple(gpu.idle(located.file, judged.devices))
    except HoshikageError as error:
        yield Finding("library", PROBLEM, context.text("doctor.library_refused"), _message(error, context))
        return
    finally:
        result.transient("")
    source = context.text(f"doctor.source_{located.source.lower()}")
    yield Finding("library", OK, context.text("doctor.library", file=located.file, source=source))
    yield from _taken_back(context)
    layouts = {"version": judged.version, "model": judged.model_layout, "context": judged.context_layout}
    yield Finding("library", OK, context.text("doctor.layouts", **layouts))
    if judged.lacks:
        yield Finding("library", OK, context.text("doctor.lacks", names=", ".join(judged.lacks)))
    golden = judged.golden == "passed"
    text = context.text("doctor.golden_passed" if golden else "doctor.golden_not_run")
    yield Finding("library", OK if golden else WARNING, text, "" if golden else context.text("doctor.golden_advice"))
    for device in judged.devices:
        memory = size(device.memory_total) if device.memory_total else "–"
        text = context.text(
            "doctor.device", name=device.name, kind=device.kind, description=device.description, memory=memory
        )
        yield Finding("device", OK, text)
    if (driver := drivers.nvidia()) is not None:
        yield Finding("driver", OK, context.text("doctor.driver", version=driver))
    for lack in lacking:
        text = context.text("doctor.part_unused", file=lack.file.name)
        yield Finding("dependency", WARNING, text, context.text(lack.key, **lack.details))
    for lack in idle if not lacking else ():
        yield Finding("device", WARNING, context.text("doctor.gpu_idle"), context.text(lack.key, **lack.details))
    if context.settings.load_params.require_gpu and not selection.sees_gpu(judged):
        reason = _message(selection.why_no_gpu(judged, context.environ), context)
        yield Finding("device", PROBLEM, context.text("doctor.gpu_required"), reason)
    if context.settings.load_params.rpc_servers and not rpc.is_there(located.file):
        names = ", ".join(context.settings.load_params.rpc_servers)
        text = context.text("doctor.rpc_lacking", names=names)
        yield Finding("device", PROBLEM, text, context.text("engine.rpc_lacking"))


def _machine(context: CommandContext) -> Findings:
    busy = is_busy()
    n_threads = threads(context.settings.load_params.n_threads, busy=busy)
    details = {"cores": physical_cores(), "threads": n_threads}
    if busy:
        advice = (
            context.text("doctor.busy_advice") if context.settings.load_params.n_threads >= physical_cores() > 1 else ""
        )
        yield Finding("machine", WARNING if advice else OK, context.text("doctor.busy", **details), advice)
    else:
        yield Finding("machine", OK, context.text("doctor.threads", **details))


def _taken_back(context: CommandContext) -> Findings:
    """Yields that another library than the chosen one is in use, because it failed."""
    fallen = library_state.read(context.settings.lib_dir).fallen if context.settings.lib_path is None else None
    if fallen is not None:
        words = fallen_words(fallen, context.language)
        yield Finding("library", WARNING, words, context.text("doctor.taken_back_advice"))


def _models(context: CommandContext) -> Findings:
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    for problem in registry.problems():
        yield _problem("registry", problem, registry.file, registry.last_good, context)
    specs = registry.specs()
    if not specs:
        text = context.text("doctor.no_models", file=registry.file)
        yield Finding("registry", WARNING, text, context.text("doctor.no_models_advice"))
    registered = [spec for spec in specs if spec.source == "registry"]
    blind = lacking_media(context) if any(spec.options.mmproj for spec in registered) else None
    yield from (_model(spec, blind, context) for spec in registered)
    yield from _model_dir(registry.model_dir, len([spec for spec in specs if spec.source == "folder"]), context)
    for problem in registry.persona_problems():
        yield _problem("personas", problem, registry.personas_file, registry.personas_last_good, context)
    yield from (_persona(persona, context) for persona in registry.personas())


def _problem(subject: str, problem: Issue, file: Path, last_good: Path, context: CommandContext) -> Finding:
    text = context.text(problem.key, **problem.details)
    if (label := problem.details.get("label")) is not None:  # one entry; the others are in use
        verb = "persona rm" if subject == "personas" else "rm"
        advice = context.text("doctor.entry_advice", file=file, verb=verb, label=label)
        return Finding(subject, WARNING, text, advice)
    if os.access(last_good, os.R_OK):
        advice = context.text("doctor.registry_advice", file=file, last_good=last_good)
    else:
        key = "doctor.registry_refused" if problem.unreadable else "doctor.registry_mend"
        advice = context.text(key, file=file)
    return Finding(subject, PROBLEM, text, advice)


def _model_dir(folder: Path | None, count: int, context: CommandContext) -> Findings:
    if folder is None:
        return
    if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
        yield Finding("model_dir", OK, context.text("doctor.model_dir", folder=folder, count=count))
        return
    text = context.text("doctor.model_dir_refused", folder=folder)
    yield Finding("model_dir", WARNING, text, context.text("doctor.model_dir_advice"))


def _persona(entry: ModelSpec | Persona, context: CommandContext) -> Finding:
    if isinstance(entry, Persona):
        text = context.text("doctor.persona_missing", name=entry.name, model=entry.model)
        advice = context.text("doctor.persona_advice", name=entry.name, model=entry.model)
        return Finding("persona", WARNING, text, advice)
    try:
        if entry.own_lora or entry.own_control_vectors:
            require_adapters(read(entry.file), entry.own_lora, entry.own_control_vectors)
    except HoshikageError as error:
        advice = context.text("doctor.persona_advice", name=entry.name, model=entry.label)
        return Finding("persona", WARNING, f"{entry.name}: {_message(error, context)}", advice)
    return Finding("persona", OK, context.text("doctor.persona", name=entry.name, model=entry.label))


def _model(spec: ModelSpec, blind: Path | None, context: CommandContext) -> Finding:
    """Judges a model; `blind` is the folder of a library that reads no pictures and sound."""
    try:
        header = read_chat_model(spec.file)
        require_parts(spec, header)
    except HoshikageError as error:
        key = "doctor.model_advice" if spec.options.mmproj is None else "doctor.model_advice_projector"
        advice = context.text(key, label=spec.label, file=spec.file)
        return Finding("model", PROBLEM, f"{spec.label}: {_message(error, context)}", advice)
    what = " · ".join(part for part in (describe(header), shown(spec.options.given())) if part)
    text = context.text("doctor.model", label=spec.label, what=what)
    if blind is not None and spec.options.mmproj is not None:
        return Finding("model", WARNING, text, context.text("library.media_lacking_in", folder=blind))
    return Finding("model", OK, text)


def _memory(context: CommandContext) -> Findings:
    """Says what memory lacks where it is on, and who shares what is kept."""
    chosen = context.settings
    if not (chosen.memory or chosen.memory_summary):
        return
    packages = ("sentencex", "sklearn", *(("chromadb",) if chosen.memory else ()))
    if absent := [name for name in packages if find_spec(name) is None]:
        advice = context.text("remember.not_installed", name=", ".join(absent))
        yield Finding("memory", PROBLEM, context.text("doctor.memory"), advice)
    label = chosen.embedding_model
    registry = Registry(chosen.model_map_file, chosen.model_dir, chosen.registry_root)
    advice = context.text("remember.no_embedding_model")
    if label is None and chosen.sentence_bert_model is None:
        yield Finding("memory", PROBLEM, context.text("doctor.memory"), advice)
    elif label is not None and label not in {spec.label for spec in registry.specs()}:
        yield Finding("memory", PROBLEM, context.text("doctor.memory_no_label", label=label), advice)
    else:
        yield Finding("memory", OK, context.text("doctor.memory_model", name=label or chosen.sentence_bert_model))
    if chosen.memory and not TokenStore(chosen.token_file).tokens():
        yield Finding("memory", OK, context.text("doctor.memory_shared"))


def _port(context: CommandContext) -> Findings:
    server = Server.of(context)
    place = {"host": context.settings.host, "port": context.settings.port}
    status = server.status(WAKING_S)
    if status is not None:
        text = context.text("doctor.port_ours", url=server.url, version=status["version"])
        yield Finding("port", OK, text)
    elif server.is_listening():
        advice = context.text("doctor.port_advice", other=server.port + 1)
        yield Finding("port", PROBLEM, context.text("doctor.port_taken", **place), advice)
    elif reason := _bind_fault(server):
        text = context.text("doctor.port_refused", reason=reason, **place)
        yield Finding("port", PROBLEM, text, context.text("doctor.host_advice"))
    else:
        yield Finding("port", OK, context.text("doctor.port_free", **place))


def _bind_fault(server: Server) -> str:
    """Says why nothing could listen there; empty where it could."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            if os.name != "nt":  # as the server does; on Windows it would take another program's port
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _message(error: HoshikageError, context: CommandContext) -> str:
    return context.text(error.key, **error.details)
