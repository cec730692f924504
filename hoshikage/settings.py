"""Reads the settings: flags over environment over .env files over defaults, read once at start. Any thread; frozen.

A row of `options.SETTINGS` is one setting: its variable, its name here, its default and what is allowed. `.env` is read
from the working directory first, then from the config directory; an earlier source wins. A bad value stops the
start with its name, its value and what is allowed.

The working directory may be anybody's: a cloned project, an unpacked archive. Its `.env` tunes how the server runs and
sets no more (`env_trust`): a row says whether it may be set there, and one that does not say so may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs

from hoshikage import env_trust, envfile
from hoshikage.errors import SettingInvalid
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, language_of
from hoshikage.options import LOAD, RAMDISK, SETTINGS
from hoshikage.params import LoadParams

APP: Final = "hoshikage"


def config_dir() -> Path:
    r"""Returns the config folder: `~/.config/hoshikage` on Linux, `%APPDATA%\hoshikage` on Windows,
    `~/Library/Application Support/hoshikage`."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False, roaming=True))


def cache_dir() -> Path:
    return Path(platformdirs.user_cache_dir(APP, appauthor=False))


class Settings(Frozen, frozen=True):
    """Every setting of the server has its value here."""

    host: str
    port: int
    lang: Language
    lib_path: Path | None
    model_map_file: Path
    model_dir: Path | None
    load_params: LoadParams
    """How models are loaded that say nothing else; its `model_path` is empty."""
    kv_store: Literal["off", "memory", "disk"]
    """Conversations outlive the runner that had them in this place, or not at all."""
    kv_store_size: float
    """They may take so many GiB there."""
    kv_store_ttl: float
    """One stays so many days which nobody goes on with; 0 is for good."""
    temperature: float
    top_p: float
    idle_timeout: float
    sleep_timeout: float
    great_timeout: float
    """`great_timeout` is in minutes, the two above it are in seconds."""
    ramdisk_path: Path | None
    ramdisk_size: float
    """The copy there may take so many GiB; 0 is no bound."""
    watchdog_timeout: float
    queue_timeout: float
    queue_size: int
    engine: str
    max_models: int
    """So many models that write may be loaded at once."""
    embedding_memory: int
    """A model that embeds or ranks may need this many MiB to live beside them; 0 is for none."""
    runner_ahead: bool
    library_calibration: bool
    library_timeout: float
    """Trying a library may take this many seconds."""
    log_level: str
    log_file: Path | None
    log_keep_days: int
    require_token: str
    """A token is asked for `auto`, where other machines can reach the server, or `always`."""
    rate_limit_requests: int
    rate_limit_tokens: int
    cors_origins: tuple[str, ...]
    """The origins are written as browsers send them, as `null`, or as patterns (http.origins)."""
    api_prefix: str
    """A base path such as `/hoshikage`, which requests may begin with; empty for none."""
    allowed_hosts: tuple[str, ...]
    """`allowed_hosts` are names in small letters, without a port or brackets."""
    tls_cert_file: Path | None
    tls_key_file: Path | None
    unix_socket: Path | None
    drain_timeout: float
    responses_store: int
    """So many answers of /v1/responses are kept."""
    preload: str | None
    """`preload` is the label of the model to load at start."""
    default_model: str | None
    """`default_model` is the name of the model that answers requests which name none."""
    unknown_model: str
    """`unknown_model` says what a name that nobody knows means: `refuse` or `default`."""
    allow_remote_images: bool
    """`allow_remote_images` tells whether pictures that a request names by URL are fetched."""
    tag_ollama_file: Path | None
    """`tag_ollama_file` has the older version's tags, shown to Ollama's clients beside the models."""
    memory_summary: bool
    """`memory_summary` tells whether long conversations are made short."""
    summary_at: float
    """From this share of the context on they are."""
    raw_turns: int
    """So many last exchanges always stay word for word."""
    summary_choice: Literal["clusters", "facts"]
    """`summary_choice` says how the sentences of a digest are chosen."""
    cluster_divisor: int
    min_clusters: int
    max_clusters: int
    memory: bool
    """`memory` tells whether what is said is kept, and recalled into later conversations."""
    memory_distance: float
    """What is said is recalled up to this cosine distance; AUTO_DISTANCE is what the embedding model's family has."""
    memory_tokens: int
    memory_ttl: float
    """Something is kept so many days; 0 is for good."""
    chroma_path: Path
    chroma_url: str | None
    """`chroma_url` is a Chroma server in place of the folder."""
    embedding_model: str | None
    """`embedding_model` is the label of the model that makes memory's vectors."""
    sentence_bert_model: str | None
    """`sentence_bert_model` is the name of a model of sentence-transformers, where no label is set."""
    registry_root: Path | None = None
    """`registry_root` is the working folder, where its `.env` named the registry: its entries name no text file outside
    of it."""

    def by_variable(self) -> dict[str, Any]:
        """Returns the values by the names of their variables."""
        result = {row.variable: getattr(self.load_params if row.scope == LOAD else self, row.name) for row in SETTINGS}
        return {**result, LANGUAGE_VARIABLE: self.lang}

    @property
    def ramdisk_always(self) -> bool:
        """Tells whether every model is copied, whatever that brings: for that a person made a RAM disk of their own."""
        return self.ramdisk_path not in (None, Path(RAMDISK))

    @property
    def token_file(self) -> Path:
        """Returns the file in which `hoshikage token` keeps the access tokens' hashes."""
        return config_dir() / "tokens.json"

    @property
    def admin_token_file(self) -> Path:
        """Gives the file of the token by which this user's commands administer this user's server."""
        return config_dir() / "admin.token"

    @property
    def lib_dir(self) -> Path:
        """Gives the config directory's library folder, where `hoshikage lib install` puts the library."""
        return config_dir() / "lib"


class LoadedSettings(Frozen, frozen=True):
    """LoadedSettings are the settings, with where each comes from."""

    settings: Settings
    sources: dict[str, str]
    """`sources` maps a variable to `flag`, `environment`, a .env file's path, or `default`."""
    warnings: tuple[SettingInvalid, ...] = ()
    """`warnings` tell what was passed over in .env files and is likely meant otherwise."""


OVERRIDDEN: Final[Mapping[str, Any]] = {"n_parallel": 1, "kv_reuse": "off", "speculation": "off"}
"""These settings are decided by DETERMINISTIC=on: a token that is computed beside others, behind a kept beginning or
beside guesses need not have the bits of one that is computed alone."""
LANGUAGE_VARIABLE: Final = "HOSHIKAGE_LANG"
LIKELY_MEANT: Final = 0.85
"""Another name is taken for a slip of the pen when it is so like a setting's name, of 1."""


def load(flags: Mapping[str, str], environ: Mapping[str, str], working_dir: Path) -> LoadedSettings:
    """Loads the settings, and where each came from.

    `flags` maps variable names to values given on the command line. Raises SettingInvalid.
    """
    layers: list[tuple[str, Mapping[str, str | None]]] = [("flag", flags), ("environment", environ)]
    warnings: list[SettingInvalid] = []
    here = str(working_dir / ".env")
    if not _is_config_dir(working_dir) and (result := envfile.read(Path(here))) is not None:
        file = Path(here)
        rules = {name: row.here for row in SETTINGS for name in (row.variable, *row.aliases)}
        sifted = env_trust.sift(result.values, rules, working_dir)
        layers.append((str(file), sifted.values))
        warnings += [*_doubts(file, result), *_passed_over(file, result, sifted)]
    if (result := envfile.read(config_dir() / ".env")) is not None:
        file = config_dir() / ".env"
        layers.append((str(file), result.values))
        warnings += _doubts(file, result)
    values: dict[str, Any] = {}
    load_values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for row in SETTINGS:
        name, source, value = _lookup((row.variable, *row.aliases), layers) or (row.variable, "default", row.default)
        try:
            (load_values if row.scope == LOAD else values)[row.name] = row.parse(value)
        except ValueError:
            raise _invalid(name, value, row.allowed, source) from None
        sources[row.variable] = source
    if load_values["deterministic"]:
        for row in SETTINGS:
            if row.name in OVERRIDDEN:
                load_values[row.name], sources[row.variable] = OVERRIDDEN[row.name], "DETERMINISTIC"
    if values["model_map_file"] is None:
        values["model_map_file"] = config_dir() / "model_map.json"
    elif sources["MODEL_MAP_FILE"] == here:
        values["registry_root"] = working_dir.absolute()
    values["chroma_path"] = values["chroma_path"] or config_dir() / "memory"
    values["load_params"] = LoadParams("", **load_values)
    values["lang"], sources[LANGUAGE_VARIABLE] = _language(layers)
    return LoadedSettings(Settings(**values), sources, tuple(warnings))


def _doubts(file: Path, values: envfile.EnvFile) -> list[SettingInvalid]:
    """Lists lines that could not be read, and names that look like a setting's misspelt. Other programs' are let be."""
    known = {LANGUAGE_VARIABLE, *(name for row in SETTINGS for name in (row.variable, *row.aliases))}
    doubts = [SettingInvalid("settings.env_line", file=str(file), line=line) for line in values.damaged_lines]
    strange = sorted(values.values.keys() - known)
    if strange:
        import difflib
    for name in strange:
        if near := difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=LIKELY_MEANT):
            doubts.append(SettingInvalid("settings.env_unknown", file=str(file), name=name, near=near[0]))
    return doubts


def _is_config_dir(working_dir: Path) -> bool:
    try:
        return working_dir.samefile(config_dir())
    except OSError:  # there is no config folder
        return False


def _passed_over(file: Path, values: envfile.EnvFile, sifted: env_trust.Sifted) -> list[SettingInvalid]:
    """Lists what was refused and asks for something else than the default, as the lines of a copied .env.example do
    not."""
    defaults = {row.variable: row.default for row in SETTINGS}
    config = str(config_dir() / ".env")
    return [
        SettingInvalid(key, file=str(file), name=name, config=config)
        for name, key in sifted.refused.items()
        if (values.values[name] or "").strip() not in ("", defaults.get(name))
    ]


def _invalid(name: str, value: str, allowed: str, source: str) -> SettingInvalid:
    keys = {"flag": "settings.invalid_flag", "environment": "settings.invalid_environment"}
    return SettingInvalid(keys.get(source, "settings.invalid"), name=name, value=value, allowed=allowed, source=source)


def _lookup(names: tuple[str, ...], layers: list[tuple[str, Mapping[str, str | None]]]) -> tuple[str, str, str] | None:
    """Returns the first of the names that the first source has, with that source and the value."""
    for source, layer in layers:
        for name in names:
            value = layer.get(name)
            if value is not None:
                return name, source, value
    return None


def _language(layers: list[tuple[str, Mapping[str, str | None]]]) -> tuple[Language, str]:
    _, source, value = _lookup((LANGUAGE_VARIABLE,), layers) or ("", "default", "")
    if value and value.lower() not in ("ja", "en"):
        raise _invalid(LANGUAGE_VARIABLE, value, "ja | en", source)
    environ = {name: text for name, text in layers[1][1].items() if text is not None}
    return language_of({**environ, LANGUAGE_VARIABLE: value}), source
