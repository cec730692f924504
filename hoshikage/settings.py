"""Settings: flags over environment over .env files over defaults, read once at start. Any thread; frozen.

One row of ROWS is one setting: its variable, the field it fills, its default and what is allowed. `.env` is read
from the working directory first, then from the config directory; an earlier source wins. A bad value stops the
start with its name, its value and what is allowed.

The working directory may be anybody's: a cloned project, an unpacked archive. Its `.env` tunes how the server runs and
sets no more (`env_trust`): a row says whether it may be set there, and one that does not say so may not.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs

from hoshikage import env_trust, envfile
from hoshikage.env_trust import Here
from hoshikage.errors import SettingInvalid
from hoshikage.messages import Language, language_of
from hoshikage.setting_values import (
    base_path,
    decimal,
    gpu,
    host,
    host_name,
    layers,
    one_of,
    optional_path,
    origins,
    path_or_off,
    several,
    shares,
    switch,
    whole,
)

APP: Final = "hoshikage"
RAMDISK: Final = "/dev/shm" if sys.platform == "linux" else ""
"""Linux alone has a folder in memory that every user may write to."""
ORIGINS: Final = (
    "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,app://*,tauri://*,vscode-webview://*,vscode-file://*"
)
"""Pages of this machine and of programs on it; no web site."""


def config_dir() -> Path:
    """`~/.config/hoshikage` on Linux, `%APPDATA%\\hoshikage` on Windows, `~/Library/Application Support/hoshikage`."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False, roaming=True))


def cache_dir() -> Path:
    return Path(platformdirs.user_cache_dir(APP, appauthor=False))


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    lang: Language
    lib_path: Path | None
    model_map_file: Path
    model_dir: Path | None
    n_ctx: int
    n_batch: int
    n_threads: int
    n_threads_batch: int
    n_parallel: int
    kv_reuse: str
    speculation: str
    n_gpu_layers: int
    """-1 is all, AUTO_LAYERS as many as fit."""
    main_gpu: int | None
    tensor_split: tuple[float, ...]
    flash_attn: str
    type_k: str
    type_v: str
    use_mmap: bool
    use_mlock: bool
    require_gpu: bool
    temperature: float
    top_p: float
    idle_timeout: float
    great_timeout: float
    """Minutes."""
    ramdisk_path: Path | None
    ramdisk_size: float
    """GiB that the copy there may take; 0 is no bound."""
    watchdog_timeout: float
    queue_timeout: float
    queue_size: int
    engine: str
    runner_ahead: bool
    library_calibration: bool
    library_timeout: float
    """Seconds that a library may take to be tried."""
    log_level: str
    log_file: Path | None
    log_keep_days: int
    require_token: str
    """`auto`: where other machines can reach the server; `always`."""
    rate_limit_requests: int
    rate_limit_tokens: int
    cors_origins: tuple[str, ...]
    """As browsers send them, `null`, or patterns (api.origins)."""
    api_prefix: str
    """A base path such as `/hoshikage`, which requests may begin with; empty for none."""
    allowed_hosts: tuple[str, ...]
    """Names in small letters, without a port or brackets."""
    tls_cert_file: Path | None
    tls_key_file: Path | None
    unix_socket: Path | None
    drain_timeout: float
    responses_store: int
    """How many answers of /v1/responses are kept."""
    preload: str | None
    """Label of the model to load at start."""
    default_model: str | None
    """Name of the model that answers requests which name none."""
    unknown_model: str
    """What a name that nobody knows means: `refuse` or `default`."""
    registry_root: Path | None = None
    """The working folder, where its `.env` named the registry: its entries name no text file outside of it."""

    def loading(self) -> dict[str, Any]:
        """The fields of `params.LoadParams` that settings fill, by name."""
        names = (
            "n_ctx", "n_batch", "n_threads", "n_threads_batch", "n_parallel", "kv_reuse", "speculation", "n_gpu_layers",
            "main_gpu", "tensor_split", "flash_attn", "type_k", "type_v", "use_mmap", "use_mlock", "require_gpu",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    @property
    def token_file(self) -> Path:
        """Where `hoshikage token` keeps the access tokens' hashes."""
        return config_dir() / "tokens.json"

    @property
    def admin_token_file(self) -> Path:
        """The token by which this user's commands administer this user's server."""
        return config_dir() / "admin.token"

    @property
    def lib_dir(self) -> Path:
        """The config directory's library folder, where `hoshikage lib install` puts the library."""
        return config_dir() / "lib"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting. `parse` raises ValueError; `allowed` says in one line, for both languages, what it takes."""

    variable: str
    field: str
    default: str
    parse: Callable[[str], Any]
    allowed: str
    aliases: tuple[str, ...] = ()
    """Names that older versions had for it; in one source, `variable` wins."""
    here: Here = "never"
    """Whether a working folder's `.env` may set it. `never` stands for what names an address or a path outside, or
    loosens access; and for whatever nobody has thought about."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    settings: Settings
    sources: dict[str, str]
    """Variable -> `flag`, `environment`, a .env file's path, or `default`."""
    warnings: tuple[SettingInvalid, ...] = ()
    """What was passed over in .env files and is likely meant otherwise."""


ANY: Final = "any"
INSIDE: Final = "inside"
ROWS: Final = (
    Row("HOST", "host", "127.0.0.1", host, "IP address | host name"),
    Row("PORT", "port", "3030", whole(0, 65535), "0 … 65535", here=ANY),
    Row("HOSHIKAGE_LIB_PATH", "lib_path", "", optional_path, "path of libllama or of its folder"),
    Row("MODEL_MAP_FILE", "model_map_file", "", optional_path, "path of model_map.json", here=INSIDE),
    Row("MODEL_DIR", "model_dir", "", optional_path, "path of a folder", here=INSIDE),
    Row("N_CTX", "n_ctx", "4096", whole(16, 16_777_216), "16 … 16777216", here=ANY),
    Row("N_BATCH", "n_batch", "512", whole(1, 65_536), "1 … 65536", here=ANY),
    Row("N_THREADS", "n_threads", "0", whole(0, 1024), "0 (= auto) … 1024", here=ANY),
    Row("N_THREADS_BATCH", "n_threads_batch", "0", whole(0, 1024), "0 (= N_THREADS) … 1024", here=ANY),
    Row("N_PARALLEL", "n_parallel", "1", whole(1, 64), "1 … 64", here=ANY),
    Row("KV_REUSE", "kv_reuse", "off", one_of("off", "prefix"), "off | prefix", here=ANY),
    Row("SPECULATION", "speculation", "off", one_of("off", "lookup"), "off | lookup", here=ANY),
    Row("N_GPU_LAYERS", "n_gpu_layers", "-1", layers, "auto | -1 (= all) … 100000", here=ANY),
    Row("MAIN_GPU", "main_gpu", "", gpu, "0 … 127", here=ANY),
    Row("TENSOR_SPLIT", "tensor_split", "", shares, "X,Y,… (3,1 = 75 % + 25 %)", here=ANY),
    Row("FLASH_ATTN", "flash_attn", "auto", one_of("auto", "on", "off"), "auto | on | off", here=ANY),
    Row("TYPE_K", "type_k", "f16", one_of("f16", "q8_0", "q4_0"), "f16 | q8_0 | q4_0", here=ANY),
    Row("TYPE_V", "type_v", "f16", one_of("f16", "q8_0", "q4_0"), "f16 | q8_0 | q4_0", here=ANY),
    Row("USE_MMAP", "use_mmap", "on", switch, "off | on", here=ANY),
    Row("USE_MLOCK", "use_mlock", "off", switch, "off | on", here=ANY),
    Row("REQUIRE_GPU", "require_gpu", "off", switch, "off | on", here=ANY),
    Row("TEMPERATURE", "temperature", "0.2", decimal(0.0, 2.0), "0.0 … 2.0", here=ANY),
    Row("TOP_P", "top_p", "0.8", decimal(0.0, 1.0), "0.0 … 1.0", here=ANY),
    Row("IDLE_TIMEOUT", "idle_timeout", "300", decimal(0.0, 31_536_000.0), "0 (= off) … 31536000 s",
        aliases=("IDLE_TIMEOUT_SECONDS",), here=ANY),
    Row("GREAT_TIMEOUT", "great_timeout", "60", decimal(0.0, 525_600.0), "0 (= off) … 525600 min", here=ANY),
    Row("RAMDISK_PATH", "ramdisk_path", RAMDISK, path_or_off, "path of a folder in memory | off"),
    Row("RAMDISK_SIZE", "ramdisk_size", "0", decimal(0.0, 1_000_000.0), "0 (= no bound) … 1000000 GiB", here=ANY),
    Row("WATCHDOG_TIMEOUT", "watchdog_timeout", "300", decimal(0.0, 86_400.0), "0 (= off) … 86400 s", here=ANY),
    Row("QUEUE_TIMEOUT", "queue_timeout", "180", decimal(1.0, 86_400.0), "1 … 86400 s", here=ANY),
    Row("QUEUE_SIZE", "queue_size", "64", whole(0, 100_000), "0 … 100000", here=ANY),
    Row("ENGINE", "engine", "process", one_of("process", "thread"), "process | thread"),
    Row("RUNNER_AHEAD", "runner_ahead", "on", switch, "off | on", here=ANY),
    Row("LIBRARY_TIMEOUT", "library_timeout", "60", decimal(1.0, 3600.0), "1 … 3600 s", here=ANY),
    Row("LIBRARY_CALIBRATION", "library_calibration", "off", switch, "off | on"),
    Row("LOG_LEVEL", "log_level", "info", one_of("debug", "info", "warning", "error"),
        "debug | info | warning | error", here=ANY),
    Row("LOG_FILE_PATH", "log_file", "", optional_path, "path of a file"),
    Row("LOG_KEEP_DAYS", "log_keep_days", "14", whole(0, 36_500), "0 (= all) … 36500"),
    Row("REQUIRE_TOKEN", "require_token", "auto", one_of("auto", "always"), "auto | always"),
    Row("RATE_LIMIT_REQUESTS", "rate_limit_requests", "0", whole(0, 1_000_000), "0 (= off) … 1000000 / min"),
    Row("RATE_LIMIT_TOKENS", "rate_limit_tokens", "0", whole(0, 10**9), "0 (= off) … 1000000000 / min"),
    Row("CORS_ORIGINS", "cors_origins", ORIGINS, origins,
        "https://example.com, http://localhost:*, app://* (no path) | null | * | none"),
    Row("API_PREFIX", "api_prefix", "", base_path, "/path", here=ANY),
    Row("ALLOWED_HOSTS", "allowed_hosts", "", several(host_name), "example.com, box.local, 192.168.1.5"),
    Row("TLS_CERT_FILE", "tls_cert_file", "", optional_path, "path of a PEM file"),
    Row("TLS_KEY_FILE", "tls_key_file", "", optional_path, "path of a PEM file"),
    Row("UNIX_SOCKET", "unix_socket", "", optional_path, "path of a socket"),
    Row("PRELOAD", "preload", "", lambda value: value.strip() or None, "label", here=ANY),
    Row("DEFAULT_MODEL", "default_model", "", lambda value: value.strip() or None, "label", here=ANY),
    Row("UNKNOWN_MODEL", "unknown_model", "refuse", one_of("refuse", "default"), "refuse | default", here=ANY),
    Row("RESPONSES_STORE", "responses_store", "100", whole(0, 10_000), "0 (= off) … 10000", here=ANY),
    Row("DRAIN_TIMEOUT", "drain_timeout", "30", decimal(0.0, 3600.0), "0 … 3600 s", here=ANY),
)  # fmt: skip
LANGUAGE_VARIABLE: Final = "HOSHIKAGE_LANG"
LIKELY_MEANT: Final = 0.85
"""How like a setting's name, of 1, another name is that is taken for a slip of the pen."""


def load(flags: Mapping[str, str], environ: Mapping[str, str], working_dir: Path) -> LoadedSettings:
    """Settings and where each came from.

    `flags` maps variable names to values given on the command line. Raises SettingInvalid.
    """
    layers: list[tuple[str, Mapping[str, str | None]]] = [("flag", flags), ("environment", environ)]
    warnings: list[SettingInvalid] = []
    here = str(working_dir / ".env")
    if not _is_config_dir(working_dir) and (found := envfile.read(Path(here))) is not None:
        file = Path(here)
        rules = {name: row.here for row in ROWS for name in (row.variable, *row.aliases)}
        sifted = env_trust.sift(found.values, rules, working_dir)
        layers.append((str(file), sifted.values))
        warnings += [*_doubts(file, found), *_passed_over(file, found, sifted)]
    if (found := envfile.read(config_dir() / ".env")) is not None:
        file = config_dir() / ".env"
        layers.append((str(file), found.values))
        warnings += _doubts(file, found)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for row in ROWS:
        name, source, value = _lookup((row.variable, *row.aliases), layers) or (row.variable, "default", row.default)
        try:
            values[row.field] = row.parse(value)
        except ValueError:
            raise _invalid(name, value, row.allowed, source) from None
        sources[row.variable] = source
    if values["model_map_file"] is None:
        values["model_map_file"] = config_dir() / "model_map.json"
    elif sources["MODEL_MAP_FILE"] == here:
        values["registry_root"] = working_dir.absolute()
    values["lang"], sources[LANGUAGE_VARIABLE] = _language(layers)
    return LoadedSettings(Settings(**values), sources, tuple(warnings))


def _doubts(file: Path, found: envfile.EnvFile) -> list[SettingInvalid]:
    """Lines that could not be read, and names that look like a setting's misspelt. Other programs' are let be."""
    known = {LANGUAGE_VARIABLE, *(name for row in ROWS for name in (row.variable, *row.aliases))}
    doubts = [SettingInvalid("settings.env_line", file=str(file), line=line) for line in found.damaged_lines]
    for name in sorted(found.values.keys() - known):
        if near := difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=LIKELY_MEANT):
            doubts.append(SettingInvalid("settings.env_unknown", file=str(file), name=name, near=near[0]))
    return doubts


def _is_config_dir(working_dir: Path) -> bool:
    try:
        return working_dir.samefile(config_dir())
    except OSError:  # there is no config folder
        return False


def _passed_over(file: Path, found: envfile.EnvFile, sifted: env_trust.Sifted) -> list[SettingInvalid]:
    """What was refused and asks for something else than the default, as the lines of a copied .env.example do not."""
    defaults = {row.variable: row.default for row in ROWS}
    config = str(config_dir() / ".env")
    return [
        SettingInvalid(key, file=str(file), name=name, config=config)
        for name, key in sifted.refused.items()
        if (found.values[name] or "").strip() not in ("", defaults.get(name))
    ]


def _invalid(name: str, value: str, allowed: str, source: str) -> SettingInvalid:
    keys = {"flag": "settings.invalid_flag", "environment": "settings.invalid_environment"}
    return SettingInvalid(keys.get(source, "settings.invalid"), name=name, value=value, allowed=allowed, source=source)


def _lookup(names: tuple[str, ...], layers: list[tuple[str, Mapping[str, str | None]]]) -> tuple[str, str, str] | None:
    """The first of the names that the first source has, with that source and the value."""
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
