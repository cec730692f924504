"""This is the engine thread: owns library, model and context, takes commands from one queue, hands events to one
callable."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hoshikage import wire
from hoshikage._ffi.layout import Calibrated
from hoshikage._ffi.library import Library, load
from hoshikage.cores import is_busy
from hoshikage.engine import slots
from hoshikage.engine.album import Album
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.checkpoints import Checkpoints
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.draft_model import DraftModel
from hoshikage.engine.faults import failure_of, report
from hoshikage.engine.plan import Plan
from hoshikage.engine.prompt import prepare
from hoshikage.engine.prompt_lookup import Credit, PromptLookup
from hoshikage.engine.proposer import Proposer
from hoshikage.engine.sampler_factory import SamplerFactory
from hoshikage.engine.scheduler import Scheduler
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.session import Session
from hoshikage.engine.showing import Showing
from hoshikage.engine.stored_sequences import StoredSequences
from hoshikage.engine.tasks import Tasks
from hoshikage.engine.vocabulary import Vocabulary
from hoshikage.errors import HoshikageError, InferenceFailed, InvalidRequest, ModelLoadFailed
from hoshikage.infos import ModelInfo, Timings
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.llama.ends import end_tokens
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.kinds import purposes, writes
from hoshikage.llama.load_fields import sees_gpu
from hoshikage.llama.loading import open_model
from hoshikage.llama.logprobs import Scorer
from hoshikage.llama.model import Model
from hoshikage.llama.projector import Projector
from hoshikage.llama.templates import Templates
from hoshikage.params import SlotTask, media_of

HARMLESS: Final = ("using full-size SWA cache", "possible training context overflow")
"""The library warns of these without a reason: the first is of what KV_REUSE=prefix asks for, the second adds up all
sequences of a context, none of which is ever longer than the model was trained for, or than ROPE_SCALE allows."""
Emit = Callable[[wire.Event], None]
Order = wire.Load | wire.Generate | wire.Perform | wire.PutAway
"""These commands wait for their turn."""
FindCalibrated = Callable[[], Calibrated | None]


class Worker(threading.Thread):
    """Runs until `stop`. `emit` is called on this thread (and, for Log events, on the library's own threads)."""

    def __init__(self, library: Path, emit: Emit, log_level: int, calibrated: FindCalibrated) -> None:
        """`calibrated` is asked for layouts where the library's are in no table."""
        super().__init__(name="engine", daemon=True)
        self._library_file = library
        self._calibrated = calibrated
        self._emit = emit
        self._log_level = log_level
        self._commands: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._cancels = Cancels()
        self._stopping = False
        self._loaded: _Loaded | Vocabulary | None = None

    def submit(self, command: Order) -> None:
        """Puts a command behind the others. It may be called on any thread."""
        if isinstance(command, (wire.Generate, wire.Perform)):
            self._cancels.opened(command.job)
        self._commands.put(command)

    def cancel(self, job: int) -> None:
        """Cancels a job, whose end event still comes. It may be called on any thread."""
        self._cancels.cancel(job)

    def stop(self) -> None:
        """Ends running jobs, a load in progress and then the thread. It may be called on any thread."""
        self._stopping = True
        self._cancels.cancel_all()
        self._commands.put(None)

    def run(self) -> None:
        try:
            library = load(self._library_file, self._log, calibrated=self._calibrated)
        except HoshikageError as error:
            self._emit(wire.Failed.of(error, None))
            return
        try:
            self._emit(wire.Ready(library.info()))
            self._loop(library)
        finally:
            self._unload()
            library.close()

    def _loop(self, library: Library) -> None:
        while not self._stopping:
            command = self._commands.get()
            if isinstance(command, wire.Load):
                self._try_load(library, command)
            elif isinstance(command, wire.Perform):
                self._perform(command)
            elif isinstance(command, wire.PutAway):
                self._put_away(command)
            elif command is not None:
                self._generate(command)

    def _generate(self, first: wire.Generate) -> None:
        """Steps until no job is left; jobs that arrive meanwhile join."""
        if not isinstance(self._loaded, _Loaded):
            self._cancels.ended(first.job)
            self._emit(wire.Failed.of(InferenceFailed("engine.no_model"), first.job))
            return
        scheduler = self._loaded.scheduler
        scheduler.submit(first)
        commands = self._commands
        while scheduler.busy and not self._stopping:
            while not commands.empty():
                command = commands.get_nowait()
                if isinstance(command, wire.Generate):
                    scheduler.submit(command)
                elif isinstance(command, wire.Perform):
                    scheduler.tell()
                    self._perform(command)
                elif isinstance(command, wire.PutAway):
                    self._put_away(command)
            try:
                scheduler.step()
            except Exception as error:  # noqa: BLE001 - a fault in one job must not end the thread of all
                failure = failure_of(error, self._emit)
                try:
                    scheduler.fail(failure)
                except Exception as fault:  # noqa: BLE001 - as above
                    report(fault, self._emit)
                    scheduler.fail(failure)

    def _perform(self, command: wire.Perform) -> None:
        try:
            if self._loaded is None:
                raise InferenceFailed("engine.no_model")
            if isinstance(command.task, SlotTask) and isinstance(self._loaded, _Loaded):
                self._loaded.slot(command.job, command.task)
            else:
                self._loaded.tasks.perform(command)
        except Exception as error:  # noqa: BLE001 - as above, for a task
            self._emit(wire.Failed.of(failure_of(error, self._emit), command.job))
        finally:
            self._cancels.ended(command.job)

    def _put_away(self, command: wire.PutAway) -> None:
        done = wire.PutAwayDone((), ())
        try:
            if isinstance(self._loaded, _Loaded):
                done = self._loaded.put_away(command)
        except Exception as error:  # noqa: BLE001 - as above: what is lost can be computed again
            report(error, self._emit)
        self._emit(done)

    def _try_load(self, library: Library, command: wire.Load) -> None:
        try:
            self._load(library, command)
        except HoshikageError as error:
            self._emit(wire.Failed.of(error, None))
        except Exception as error:  # noqa: BLE001 - as above, for a load
            report(error, self._emit)
            self._emit(wire.Failed.of(ModelLoadFailed("engine.internal"), None))

    def _load(self, library: Library, command: wire.Load) -> None:
        self._unload()
        params = command.params
        begun = time.perf_counter()
        if params.vocab_only:
            self._loaded = Vocabulary.open(library, params, self._cancels, self._emit)
        else:
            model, context = open_model(library, params, self._progress, self._try)
            try:
                self._loaded = _Loaded(model, context, command, self._cancels, self._emit)
            except BaseException:
                context.close()
                model.close()
                raise
        self._emit(wire.Loaded(self._loaded.info((time.perf_counter() - begun) * 1e3)))

    def _unload(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def _try(self, layers: int) -> None:
        self._emit(wire.Loading(1.0, layers))

    def _progress(self, progress: float) -> bool:
        self._emit(wire.Loading(progress))
        return not self._stopping

    def _log(self, level: int, line: str) -> None:
        if self._cancels.aborting or any(words in line for words in HARMLESS):
            level = logging.DEBUG
        if level >= self._log_level:
            self._emit(wire.Log(level, line))


class _Loaded:
    """This is a model with its context, template, scheduler and tasks; closed in that order's reverse."""

    def __init__(self, model: Model, context: Context, command: wire.Load, cancels: Cancels, emit: Emit) -> None:
        params = command.params
        self._model = model
        self._context = context
        self._emit = emit
        vocab = model.vocab
        self._made_grammars: Grammars | None = None
        vocab.set_types(params.controls)
        self._templates = Templates(model, params)
        vocab.set_ends(end_tokens(model, self._templates))
        self._params = params
        self._adapters = Adapters(model, params)
        self._adapters.use(context, self._adapters.usual)
        self._cost = BatchCost(context.n_batch)
        self._credit = Credit()
        self._draft: DraftModel | None = None
        if params.draft_path and not params.deterministic:
            self._draft = DraftModel.open(model.library, params, vocab, self._cost, lambda _progress: True)
        self._projector: Projector | None = None
        if params.mmproj:
            self._projector = Projector.open(model, params, context.n_threads)
        learns = context.n_sequences > 1 or params.speculation != "off" or self._draft is not None
        checkpoints = Checkpoints.open(context, params, vocab.is_typed_control)
        self._pool = pool = SequencePool(context, context.n_sequences, self._adapters, checkpoints)
        if command.store is not None:
            pool.stored = StoredSequences(context, command.store, emit)
        showing = None if self._projector is None else Showing(context, self._projector)
        self.scheduler = Scheduler(context, self._open, cancels, emit, self._cost if learns else None, pool, showing)
        self.tasks = Tasks(model, self._templates, params, self._adapters, cancels, emit, self._projector)

    def info(self, load_ms: float) -> ModelInfo:
        model, context = self._model, self._context
        doubts = {
            "engine.one_sequence": context.n_sequences < self._params.n_parallel,
            "engine.beyond_training": 0 < model.n_ctx_train < context.n_ctx,
            "engine.media_packages": self._projector is not None and self._projector.lacks_packages,
        }
        return ModelInfo(
            description=model.description,
            n_params=model.n_params,
            size_bytes=model.size_bytes,
            n_ctx_train=model.n_ctx_train,
            n_ctx=self._context.n_ctx,
            n_vocab=model.vocab.n_tokens,
            bos_token=model.vocab.text(model.vocab.bos),
            eos_token=model.vocab.text(model.vocab.eos),
            template_source=self._templates.source_name,
            load_ms=load_ms,
            n_gpu_layers=model.n_gpu_layers,
            n_sequences=self._context.n_sequences,
            warnings=tuple(key for key, applies in doubts.items() if applies),
            purposes=purposes(model),
            images=self._projector is not None and self._projector.images,
            audio=self._projector is not None and self._projector.audio,
            n_threads=self._context.n_threads,
            is_busy=is_busy(),
            vram_bytes=model.vram_bytes,
            devices=model.library.devices(memory=model.n_gpu_layers > 0 or not sees_gpu(model.library)),
        )

    def slot(self, job: int, task: SlotTask) -> None:
        """Emits SlotDone and Finished. Raises HoshikageError."""
        begun = time.perf_counter()
        n_tokens, n_bytes = slots.do(task, self._pool)
        self._emit(wire.SlotDone(job, n_tokens, n_bytes))
        took = (time.perf_counter() - begun) * 1e3
        self._emit(wire.Finished(job, "stop", 0, 0, Timings(took, took, 0.0)))

    def put_away(self, command: wire.PutAway) -> wire.PutAwayDone:
        """Writes what is kept into the command's files. Raises OSError."""
        stored = self._pool.stored
        return wire.PutAwayDone((), ()) if stored is None else stored.put_away(self._pool, command)

    def close(self) -> None:
        self.tasks.close()
        self.scheduler.close()
        if self._draft is not None:
            self._draft.close()
        if self._projector is not None:
            self._projector.close()
        self._context.close()
        self._model.close()

    def _open(self, job: wire.Generate) -> Session:
        begun = time.perf_counter()
        request = job.request
        if not writes(self._model):
            raise InvalidRequest("engine.no_writer", param="model")
        media = media_of(request.prompt)
        album = Album(media, self._projector, self._context) if media else None
        try:
            return self._opened(job, begun, album)
        except BaseException:
            if album is not None:
                album.close()
            raise

    def _opened(self, job: wire.Generate, begun: float, album: Album | None) -> Session:
        request, vocab = job.request, self._model.vocab
        overflow = self._params.context_overflow
        prompt = prepare(request, self._templates, vocab, self._context.n_ctx, overflow, album)
        factory = SamplerFactory(self._model, self._context, request, prompt, self._grammars)
        scorer = None if request.logprobs is None else Scorer(self._context, request.logprobs)
        reuse = self._params.kv_reuse == "prefix" if request.cache_prompt is None else request.cache_prompt
        exact = self._params.deterministic
        adapters, without, wakes = self._adapters.woken(
            self._adapters.chosen(request.lora, request.control_vectors), prompt.tokens
        )
        if wakes and request.echo and scorer is not None:
            raise InvalidRequest("engine.alora_scored", param="logprobs")
        scope = self._adapters.scope(request.scope, without if wakes else adapters)
        session = Session(
            Plan(
                job=job.job,
                prompt=prompt,
                choices=request.choices,
                open_sampler=factory.open_sampler,
                open_proposer=(lambda: None) if prompt.spans else self._open_proposer,
                scorer=scorer,
                vocab=vocab,
                emit=self._emit,
                begun=begun,
                reuse=reuse and not exact,
                exact=exact,
                scope=scope if (reuse and not exact) or not wakes else f"{scope}\0{job.job}",
                whole=request.whole,
                slot=request.slot,
                return_tokens=request.return_tokens,
                max_answer_ms=request.max_answer_ms,
                max_prompt_ms=request.max_prompt_ms,
                n_indent=request.n_indent,
                drawn=request.drawn,
                adapters=adapters,
                without=without,
                wakes=wakes,
                album=album,
            )
        )
        try:
            shown = tuple(token for token in prompt.tokens if token >= 0) if request.return_prompt else ()
            n_tokens, dropped = len(prompt.tokens), factory.dropped
            self._emit(
                wire.Started(
                    job.job,
                    n_tokens,
                    prompt.repairs,
                    prompt.shifted,
                    prompt.tail,
                    shown,
                    dropped,
                    prompt.cut,
                    prompt.left_out,
                    tuple(sorted(factory.ends)) if request.sampling.ignore_eos else (),
                )
            )
        except BaseException:
            session.close()
            raise
        return session

    def _open_proposer(self) -> Proposer | None:
        if self._draft is not None:
            return self._draft.proposer()
        looks_up = self._params.speculation == "lookup"
        return PromptLookup(self._cost, self._credit) if looks_up else None

    def _grammars(self) -> Grammars:
        if self._made_grammars is None:
            self._made_grammars = Grammars(self._model.vocab)
        return self._made_grammars
