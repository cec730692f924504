"""This is the registry: names to models, from model_map.json, personas.json and MODEL_DIR. Any thread; many
processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from msgspec.structs import replace

from hoshikage import gguf
from hoshikage.errors import InvalidRequest, ModelNotFound
from hoshikage.frozen import Frozen
from hoshikage.params import Scaled
from hoshikage.registry.document import Issue, RegistryDocument
from hoshikage.registry.entries import (
    Alias,
    Entry,
    Persona,
    checked_label,
    normal,
    parse_alias,
    parse_entry,
    parse_persona,
)
from hoshikage.registry.folder import FolderModels, ModelFolder
from hoshikage.registry.options import NO_OPTIONS, OwnOptions
from hoshikage.registry.template import is_file
from hoshikage.registry.tuned import FIELD, Tuned

PERSONAS: Final = "personas.json"
ALIASES: Final = "aliases.json"
MAX_NAMED: Final = 50
"""A refusal names so many known names at most."""


class ModelSpec(Frozen, frozen=True):
    """This is one model, as itself or as a persona of it."""

    label: str
    """`label` is the model's, also where a persona was asked for."""
    file: Path
    """`file` is absolute; it need not exist."""
    stop: tuple[str, ...]
    """`stop` holds the model's own stop strings, without DEFAULT_STOPS."""
    created: int
    """`created` is the Unix time of its registration."""
    options: OwnOptions = NO_OPTIONS
    """The path of a chat template is absolute here."""
    source: Literal["registry", "folder"] = "registry"
    persona: Persona | None = None
    tuned: Tuned | None = None
    """`hoshikage tune` chose this; whether it holds is not looked at here."""

    @property
    def name(self) -> str:
        """Gives the name that a request calls it by."""
        return self.label if self.persona is None else self.persona.name

    @property
    def lora(self) -> tuple[Scaled, ...]:
        """The adapters that requests number: the persona's where it has some, else the model's."""
        return self.own_lora or self.options.lora

    @property
    def own_lora(self) -> tuple[Scaled, ...]:
        """Gives the persona's adapters."""
        return () if self.persona is None else self.persona.sampling.lora

    @property
    def own_control_vectors(self) -> tuple[Scaled, ...]:
        """Returns the persona's control vectors."""
        return () if self.persona is None else self.persona.sampling.control_vectors

    @property
    def sampling(self) -> OwnOptions:
        """Lays the persona's defaults over the model's."""
        persona = {} if self.persona is None else self.persona.sampling.sampling()
        return OwnOptions({**self.options.sampling(), **persona})


class Registry:
    """A name is looked for among the registered models, the personas, the aliases, and the models of MODEL_DIR."""

    def __init__(self, file: Path, model_dir: Path | None = None, root: Path | None = None) -> None:
        """`file` is model_map.json; personas.json and aliases.json lie beside it.

        With `root`, entries name no template outside it.
        """
        self._root = root
        self._models: RegistryDocument[Entry] = RegistryDocument(file, self._parsed)
        self._personas: RegistryDocument[Persona] = RegistryDocument(
            file.with_name(PERSONAS), parse_persona, mode=0o600
        )
        self._aliases: RegistryDocument[Alias] = RegistryDocument(file.with_name(ALIASES), parse_alias)
        self._folder = ModelFolder(model_dir) if model_dir is not None else None

    def sweep(self) -> None:
        """Removes what writers that were killed left behind. Blocks on the disk."""
        for document in (self._models, self._personas):
            if document.file.exists():
                document.sweep()

    @property
    def file(self) -> Path:
        return self._models.file

    @property
    def last_good(self) -> Path:
        """Gives the copy of model_map.json as it was last written."""
        return self._models.last_good

    @property
    def personas_file(self) -> Path:
        return self._personas.file

    @property
    def personas_last_good(self) -> Path:
        return self._personas.last_good

    @property
    def aliases_file(self) -> Path:
        return self._aliases.file

    @property
    def model_dir(self) -> Path | None:
        return self._folder.root if self._folder is not None else None

    def specs(self) -> tuple[ModelSpec, ...]:
        """Lists all models: the registered in the file's order, then those of MODEL_DIR. Never raises for what files
        hold."""
        entries = self._models.entries()
        registered = [self._registered(entry) for entry in entries.values()]
        taken = {spec.file for spec in registered}
        result = (_in_folder(one) for one in self._found().values() if one.file not in taken)
        return (*registered, *(spec for spec in result if spec.label not in entries))

    def personas(self) -> tuple[ModelSpec | Persona, ...]:
        """Lists all personas in the file's order: as models, or alone where their model is gone."""
        return tuple(self._as_persona(persona) or persona for persona in self._personas.entries().values())

    def aliases(self) -> dict[str, str]:
        """Lists further names, each with the label or the persona's name that it stands for, which may be gone."""
        return {alias.name: alias.target for alias in self._aliases.entries().values()}

    def problems(self) -> tuple[Issue, ...]:
        """Lists what is wrong with model_map.json as it is now: a damage of the whole, or entries that were skipped."""
        return self._models.problems()

    def persona_problems(self) -> tuple[Issue, ...]:
        """Gives the problems of personas.json; also personas that a model of the same name hides."""
        hidden = [name for name in self._personas.entries() if name in self._models.entries()]
        return (*self._personas.problems(), *(Issue("model.persona_hidden", {"label": name}) for name in hidden))

    def alias_problems(self) -> tuple[Issue, ...]:
        """Gives the problems of aliases.json; also aliases that a model or a persona of the same name hides."""
        hidden = [name for name in self._aliases.entries() if self._is_taken(name)]
        return (*self._aliases.problems(), *(Issue("model.alias_hidden", {"label": name}) for name in hidden))

    def known(self, name: str) -> ModelSpec | None:
        """Returns the registered model, or a persona of one; None where only MODEL_DIR can tell. Never searches a
        folder."""
        name = normal(name)
        if not self._is_taken(name) and (alias := self._aliases.entries().get(name)) is not None:
            name = alias.target
        entry = self._models.entries().get(name)
        if entry is not None:
            return self._registered(entry)
        persona = self._personas.entries().get(name)
        base = self._models.entries().get(persona.model) if persona is not None else None
        return replace(self._registered(base), persona=persona) if base is not None else None

    def resolve(self, name: str) -> ModelSpec:
        """Returns the model that a request calls by that name. Raises ModelNotFound, which names the known ones."""
        spec = self.known(name)
        if spec is not None:
            return spec
        original, name = name, normal(name)
        if not self._is_taken(name) and (alias := self._aliases.entries().get(name)) is not None:
            name = alias.target
        persona = self._personas.entries().get(name)
        if persona is not None:
            return self._as_persona(persona) or self._refuse_persona(persona)
        result = self._found().get(name)
        if result is None and next(self._names(), None) is None:
            raise ModelNotFound("http.no_models", param="model", model=original)
        return _in_folder(result) if result is not None else _not_found(original, self._names())

    def add(self, label: str, file: Path, stop: Iterable[str] | None = None, options: OwnOptions = NO_OPTIONS) -> bool:
        """Registers `file` under `label`, durably; True where the label existed and was replaced.

        The same file again keeps the time of its registration, its stop strings where `stop` is None, and the settings
        that were made for it and are not given anew; an empty one is taken away. Raises InvalidRequest for what cannot
        be, RegistryDamaged, Unavailable, UsageError.
        """
        label = checked_label(label)
        if label in self._personas.entries():
            raise InvalidRequest("model.label_is_persona", label=label)
        file = file.absolute()
        entry: dict[str, Any] = {"path": str(file.parent), "model": file.name, "stop": list(dict.fromkeys(stop or ()))}
        entry["created"] = int(time.time())
        values = options.given()
        problem = self._parsed(label, {**entry, **values})
        if isinstance(problem, Issue):
            raise InvalidRequest.of(problem.key, problem.details)

        def change(entries: dict[str, Any]) -> bool:
            known, old = label in entries, entries.get(label)
            kept = {}
            if isinstance(old, dict) and all(old.get(name) == entry[name] for name in ("path", "model")):
                kept = old if stop is None else {**old, "stop": entry["stop"]}
            entries[label] = {**entry, **kept, **values}
            for name in (name for name, value in values.items() if value == ""):  # taken away
                del entries[label][name]
            return known

        return self._models.update(change)

    def set_tuned(self, label: str, tuned: Tuned | None) -> None:
        """Stores what was chosen for a registered model, durably, in place of what was; None takes it out.

        Raises ModelNotFound, RegistryDamaged, Unavailable, UsageError.
        """
        label = normal(label)

        def change(entries: dict[str, Any]) -> None:
            entry = entries.get(label)
            if not isinstance(entry, dict):
                _not_found(label, entries)
            entry.pop(FIELD, None)
            if tuned is not None:
                entry[FIELD] = tuned.to_json()

        self._models.update(change)

    def remove(self, label: str) -> None:
        """Takes the label out, durably; the GGUF stays. Raises ModelNotFound, RegistryDamaged, Unavailable."""
        _remove(self._models, label)

    def add_persona(self, name: str, model: str, system: str, sampling: OwnOptions = NO_OPTIONS) -> bool:
        """Stores a persona durably; True where one of that name was replaced.

        Raises InvalidRequest for what cannot be, ModelNotFound, RegistryDamaged, Unavailable, UsageError.
        """
        name, model = checked_label(name), normal(model)
        base = self._model(model)
        if base is None:
            _not_found(model, (spec.label for spec in self.specs()))
        if self._model(name) is not None:
            raise InvalidRequest("model.persona_is_label", label=name)
        if sampling.lora or sampling.control_vectors:
            own = self._with_adapters(sampling)
            gguf.require_adapters(gguf.read(base.file), own.lora, own.control_vectors)
        entry: dict[str, Any] = {"model": model, "system": system, "created": int(time.time())}
        entry |= sampling.kept().given()
        problem = parse_persona(name, entry)
        if isinstance(problem, Issue):
            raise InvalidRequest.of(problem.key, problem.details)

        def change(entries: dict[str, Any]) -> bool:
            known = name in entries
            entries[name] = entry
            return known

        return self._personas.update(change)

    def remove_persona(self, name: str) -> None:
        """Takes the persona out, durably. Raises ModelNotFound, RegistryDamaged, Unavailable."""
        _remove(self._personas, name, "model.persona_not_found")

    def _parsed(self, label: str, value: Any) -> Entry | Issue:
        """Returns the entry, or what is wrong with it."""
        entry = parse_entry(label, value)
        if isinstance(entry, Issue) or self._root is None or not is_file(entry.options.chat_template):
            return entry
        template = Path(str(entry.options.chat_template))
        located = self._locate(template.parent, template.name)
        if Path(os.path.realpath(located)).is_relative_to(os.path.realpath(self._root)):
            return entry
        return Issue("model.entry_template_outside", {"label": label, "folder": str(self._root)})

    def add_alias(self, name: str, target: str) -> bool:
        """Stores a further name of a model or a persona durably; True where the name was an alias already.

        Raises InvalidRequest for what cannot be, ModelNotFound, RegistryDamaged, Unavailable, UsageError.
        """
        name, target = checked_label(name), normal(target)
        if self._is_taken(name):
            raise InvalidRequest("model.alias_is_label", label=name)
        target = self._aliases.entries()[target].target if target in self._aliases.entries() else target
        if self._model(target) is None and target not in self._personas.entries():
            _not_found(target, self._names())

        def change(entries: dict[str, Any]) -> bool:
            known = name in entries
            entries[name] = target
            return known

        return self._aliases.update(change)

    def remove_alias(self, name: str) -> None:
        """Takes the alias out, durably. Raises ModelNotFound, RegistryDamaged, Unavailable."""
        _remove(self._aliases, name, "model.alias_not_found")

    def _is_taken(self, name: str) -> bool:
        """Returns whether a registered model or a persona has that name."""
        return name in self._models.entries() or name in self._personas.entries()

    def _registered(self, entry: Entry) -> ModelSpec:
        file = self._locate(Path(entry.path), entry.model)
        created = entry.created
        if created is None:
            try:
                created = int(file.stat().st_mtime)
            except OSError:
                created = 0
        options = entry.options
        if is_file(options.chat_template):
            template = Path(str(options.chat_template))
            options = options.having(chat_template=str(self._locate(template.parent, template.name)))
        if options.draft is not None:
            options = options.having(draft=self._located(options.draft))
        if options.mmproj is not None:
            options = options.having(mmproj=self._located(options.mmproj))
        return ModelSpec(entry.label, file, entry.stop, created, self._with_adapters(options), tuned=entry.tuned)

    def _with_adapters(self, options: OwnOptions) -> OwnOptions:
        """Returns the options with the places of their adapters."""
        for name in ("lora", "control_vector"):
            options = options.having_files(name, self._located)
        return options

    def _located(self, path: str) -> str:
        return str(self._locate(Path(path).parent, Path(path).name))

    def _locate(self, folder: Path, name: str) -> Path:
        folder = Path(os.path.expanduser(folder))  # noqa: PTH111  Path's own raises for an unknown user
        if folder.is_absolute():
            return folder / name
        here = (folder / name).absolute()
        beside = self.file.parent.absolute() / folder / name
        return beside if not os.path.exists(here) and os.path.exists(beside) else here  # noqa: PTH110  Path's own raises

    def _found(self) -> dict[str, FolderModels]:
        return self._folder.models() if self._folder is not None else {}

    def _model(self, label: str) -> ModelSpec | None:
        """Returns the model of that label, wherever it is from; no persona."""
        entry = self._models.entries().get(label)
        if entry is not None:
            return self._registered(entry)
        result = self._found().get(label)
        return _in_folder(result) if result is not None else None

    def _as_persona(self, persona: Persona) -> ModelSpec | None:
        base = self._model(persona.model)
        persona = replace(persona, sampling=self._with_adapters(persona.sampling))
        return replace(base, persona=persona) if base is not None else None

    def _refuse_persona(self, persona: Persona) -> NoReturn:
        known = _listed(spec.label for spec in self.specs())
        raise ModelNotFound(
            "model.persona_model_missing", param="model", label=persona.name, model=persona.model, known=known
        )

    def _names(self) -> Iterator[str]:
        yield from (spec.label for spec in self.specs())
        yield from self._personas.entries()


def _remove(document: RegistryDocument[Any], label: str, absent: str = "http.model_not_found") -> None:
    label = normal(label)

    def change(entries: dict[str, Any]) -> None:
        if label not in entries:
            _not_found(label, entries, absent)
        del entries[label]

    document.update(change)


def _in_folder(folder: FolderModels) -> ModelSpec:
    options = NO_OPTIONS if folder.projector is None else OwnOptions({"mmproj": str(folder.projector)})
    return ModelSpec(folder.label, folder.file, (), folder.created, options, source="folder")


def _not_found(label: str, known: Iterable[str], key: str = "http.model_not_found") -> NoReturn:
    raise ModelNotFound(key, param="model", model=label, known=_listed(known))


def _listed(known: Iterable[str]) -> str:
    names = list(islice(known, MAX_NAMED + 1))
    return ", ".join([*names[:MAX_NAMED], *(["…"] if len(names) > MAX_NAMED else [])]) or "–"
