"""Says what loading a registered model means now, and which names mean the same load. Any thread."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path

from msgspec.structs import replace

from hoshikage import gguf
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.tuned import usable
from hoshikage.errors import ModelLoadFailed
from hoshikage.registry import ModelSpec, read_template, template_name
from hoshikage.settings import Settings


def load_key(spec: ModelSpec) -> Hashable:
    """Returns a value that is the same for all names of one file with the same settings of loading, which need no load
    between them."""
    options = spec.options
    changed = (options.chat_template, options.draft, options.mmproj, options.lora, options.control_vectors)
    return spec.file, tuple(sorted(options.loading().items())), changed, spec.tuned


def wanted_load(spec: ModelSpec, settings: Settings) -> WantedLoad:
    """Returns what loading this model means now. Raises ModelLoadFailed where a file of it is missing. Blocks on the
    disk."""
    try:
        states = [spec.file.stat(), *(part.stat() for part in gguf.files(spec.file)[1:] if part.exists())]
    except OSError:
        raise _file_missing(spec, spec.file) from None
    options = spec.options
    for file in _companions(spec):
        states.append(file.stat())
    params = replace(
        settings.load_params,
        model_path=str(spec.file),
        chat_template=read_template(options.chat_template),
        template_name=template_name(options.chat_template),
        draft_path=options.draft or "",
        mmproj=options.mmproj or "",
        lora=options.lora,
        control_vectors=options.control_vectors,
        **options.loading(),
    )
    size, changed = sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)
    tuned = usable(spec.tuned, settings.load_params, options, states[0])
    return WantedLoad(spec.label, params, (states[0].st_ino, size, changed), tuned)


def wanted_words(spec: ModelSpec, settings: Settings) -> WantedLoad:
    """Returns the load of the model's vocabulary alone. Raises ModelLoadFailed. Blocks on the disk."""
    wanted = wanted_load(spec, settings)
    params = replace(
        wanted.params,
        vocab_only=True,
        draft_path="",
        mmproj="",
        lora=(),
        control_vectors=(),
        require_gpu=False,
        use_mlock=False,
        n_gpu_layers=0,
    )
    return replace(wanted, params=params, tuned=None)


def require_parts(spec: ModelSpec, header: gguf.GgufHeader) -> None:
    """Looks at all that a load takes beside the model's own file, whose header this is. Raises ModelLoadFailed where a
    part is missing, GgufInvalid where one cannot be used with this model. Blocks on the disk."""
    options = spec.options
    read_template(options.chat_template)
    gguf.require_template(spec.file, header, template_name(options.chat_template))
    for _ in _companions(spec):
        continue
    if options.draft is not None:
        gguf.require_draft(Path(options.draft), header)
    if options.mmproj is not None:
        gguf.require_projector(Path(options.mmproj))
    if options.lora or options.control_vectors:
        gguf.require_adapters(header, options.lora, options.control_vectors)


def _companions(spec: ModelSpec) -> Iterator[Path]:
    """Yields the files that a load takes beside the model's own. Raises ModelLoadFailed at one that is missing."""
    options = spec.options
    named = [("--draft", options.draft), ("--mmproj", options.mmproj)]
    named += [("--lora", path) for path, _ in options.lora]
    named += [("--control-vector", path) for path, _ in options.control_vectors]
    for flag, path in named:
        if path is None:
            continue
        if not (file := Path(path)).is_file():
            key = "dispatch.projector_missing" if flag == "--mmproj" else "dispatch.companion_missing"
            raise ModelLoadFailed(key, param="model", label=spec.label, file=str(file), flag=flag, model=str(spec.file))
        yield file


def _file_missing(spec: ModelSpec, file: Path) -> ModelLoadFailed:
    return ModelLoadFailed("dispatch.model_file_missing", param="model", label=spec.label, file=str(file))
