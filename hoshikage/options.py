"""Lists every setting there is, one row each: its name, what it takes, where it may be set. Any thread; pure.

What the environment, .env files, the flags of models and model_map.json may say is read by OPTIONS, and OpenAPI's
bounds are made of it. The tables of the manuals and .env.example are written by hand, and tests hold them to it. The
server itself has three flags alone: --host, --port, --lang. A loading option is a field of `params.LoadParams`, a
sampling option one of `params.SamplingParams`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from hoshikage.option import Option, Value
from hoshikage.params import AUTO_DISTANCE, AUTO_LAYERS
from hoshikage.setting_values import (
    Decimal,
    Endpoints,
    Optional,
    Overrides,
    Shares,
    Switch,
    Whole,
    base_path,
    chroma_url,
    host,
    host_name,
    label,
    one_of,
    optional_path,
    origins,
    path_or_off,
    scaled,
    several,
    words,
)

RAMDISK: Final = "/dev/shm" if sys.platform == "linux" else ""
"""Linux alone has a folder in memory that every user may write to."""
ORIGINS: Final = (
    "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,app://*,tauri://*,vscode-webview://*,vscode-file://*"
)
"""Browsers may call from pages of this machine and of programs on it; no web site."""

ANY: Final = "any"
INSIDE: Final = "inside"
LOAD: Final = "load"
SAMPLE: Final = "sample"


def _loads(name: str, parse: Callable[[str], Any], allowed: str, default: str = "", kind: type[Value] = str) -> Option:
    """Makes a loading option that a model may have of its own."""
    return Option(
        name, parse, allowed, variable=name.upper(), default=default, scope=LOAD, own=True, kind=kind, here=ANY
    )


OPTIONS: Final = (
    Option("host", host, "IP address | host name", variable="HOST", default="127.0.0.1"),
    Option("port", Whole(0, 65535), "0 … 65535", here=ANY, variable="PORT", default="3030"),
    Option("lib_path", optional_path, "FILE | FOLDER", variable="HOSHIKAGE_LIB_PATH", default=""),
    Option("model_map_file", optional_path, "FILE.json", here=INSIDE, variable="MODEL_MAP_FILE", default=""),
    Option("model_dir", optional_path, "FOLDER", here=INSIDE, variable="MODEL_DIR", default=""),
    Option(
        "n_ctx",
        Whole(16, 16_777_216),
        "16 … 16777216",
        here=ANY,
        variable="N_CTX",
        default="4096",
        scope=LOAD,
        own=True,
        kind=int,
    ),
    Option("n_batch", Whole(1, 65_536), "1 … 65536", here=ANY, variable="N_BATCH", default="512", scope=LOAD),
    Option(
        "n_ubatch",
        Whole(0, 65_536),
        "0 (= N_BATCH, ≤ 512) … 65536",
        here=ANY,
        variable="N_UBATCH",
        default="0",
        scope=LOAD,
        own=True,
        kind=int,
    ),
    Option("n_threads", Whole(0, 1024), "0 (= auto) … 1024", here=ANY, variable="N_THREADS", default="0", scope=LOAD),
    Option(
        "n_threads_batch",
        Whole(0, 1024),
        "0 (= N_THREADS) … 1024",
        here=ANY,
        variable="N_THREADS_BATCH",
        default="0",
        scope=LOAD,
    ),
    Option("n_parallel", Whole(1, 64), "1 … 64", here=ANY, variable="N_PARALLEL", default="1", scope=LOAD),
    Option(
        "kv_reuse", one_of("off", "prefix"), "off | prefix", here=ANY, variable="KV_REUSE", default="off", scope=LOAD
    ),
    Option("kv_store", one_of("off", "memory", "disk"), "off | memory | disk", variable="KV_STORE", default="off"),
    Option(
        "kv_store_size",
        Decimal(0.001, 1_000_000.0),
        "0.001 … 1000000 GiB",
        variable="KV_STORE_SIZE",
        default="2",
    ),
    Option("kv_store_ttl", Decimal(0.0, 36_500.0), "0 (= for good) … 36500 days", variable="KV_STORE_TTL", default="7"),
    Option(
        "checkpoint_memory",
        Whole(0, 1_048_576),
        "0 (= off) … 1048576 MiB",
        here=ANY,
        variable="CHECKPOINT_MEMORY",
        default="512",
        scope=LOAD,
    ),
    Option(
        "checkpoint_tokens",
        Whole(0, 16_777_216),
        "0 (= ends of turns alone) … 16777216",
        here=ANY,
        variable="CHECKPOINT_TOKENS",
        default="1024",
        scope=LOAD,
    ),
    Option(
        "speculation",
        one_of("off", "lookup"),
        "off | lookup",
        here=ANY,
        variable="SPECULATION",
        default="off",
        scope=LOAD,
    ),
    Option(
        "deterministic",
        Switch(),
        "off | on",
        here=ANY,
        variable="DETERMINISTIC",
        default="off",
        scope=LOAD,
    ),
    _loads("n_gpu_layers", Whole(-1, 100_000, {"auto": AUTO_LAYERS}), "auto | -1 (= all) … 100000", "-1", int),
    _loads("main_gpu", Optional(Whole(0, 127)), "0 … 127", "", int),
    _loads(
        "split_mode", one_of("auto", "none", "layer", "row", "tensor"), "auto | none | layer | row | tensor", "auto"
    ),
    _loads("tensor_split", Shares(), "X,Y,… (3,1 = 75 % + 25 %)"),
    Option("rpc_servers", Endpoints(), "HOST:PORT,… (≤ 16)", variable="RPC_SERVERS", scope=LOAD),
    _loads("override_tensor", Overrides(), "REGEX=BUFFER,… (exps=CPU)"),
    _loads("cpu_moe", Switch(), "off | on", "off"),
    _loads("n_cpu_moe", Whole(0, 100_000), "0 … 100000", "0", int),
    _loads("kv_offload", Switch(), "off | on", "on"),
    _loads("no_host", Switch(), "off | on", "off"),
    _loads("repack", Switch(), "off | on", "on"),
    _loads("flash_attn", one_of("auto", "on", "off"), "auto | on | off", "auto"),
    _loads("rope_scaling", one_of("auto", "none", "linear", "yarn"), "auto | none | linear | yarn", "auto"),
    _loads("rope_scale", Decimal(1.0, 64.0), "1.0 … 64.0", "1", float),
    _loads("context_overflow", one_of("error", "shift"), "error | shift", "error"),
    _loads("type_k", one_of("f16", "q8_0", "q4_0"), "f16 | q8_0 | q4_0", "f16"),
    _loads("type_v", one_of("f16", "q8_0", "q4_0"), "f16 | q8_0 | q4_0", "f16"),
    Option("use_mmap", Switch(), "off | on", here=ANY, variable="USE_MMAP", default="on", scope=LOAD, own=True),
    Option("use_mlock", Switch(), "off | on", here=ANY, variable="USE_MLOCK", default="off", scope=LOAD, own=True),
    Option("require_gpu", Switch(), "off | on", here=ANY, variable="REQUIRE_GPU", default="off", scope=LOAD, own=True),
    Option("chat_template", words, "FILE.jinja | chatml | gguf:NAME", own=True),
    Option("draft", words, "FILE.gguf", own=True),
    Option("mmproj", words, "FILE.gguf", own=True),
    Option("lora", scaled, "GGUF[:SCALE] (-100 … 100; ≤ 16)", own=True, kind=list),
    Option("control_vector", scaled, "GGUF[:SCALE] (-100 … 100; ≤ 16)", own=True, kind=list),
    Option("thinking", words, "true | false", own=True, kind=bool),
    Option("pin", words, "true | false", own=True, kind=bool, usual=False),
    Option(
        "temperature",
        Decimal(0.0, 2.0),
        "0.0 … 2.0",
        here=ANY,
        variable="TEMPERATURE",
        default="0.2",
        scope=SAMPLE,
        own=True,
        kind=float,
    ),
    Option(
        "top_p",
        Decimal(0.0, 1.0),
        "0.0 … 1.0",
        here=ANY,
        variable="TOP_P",
        default="0.8",
        scope=SAMPLE,
        own=True,
        kind=float,
    ),
    Option("top_k", Whole(0, 100_000), "0 (= off) … 100000", scope=SAMPLE, own=True, kind=int),
    Option("min_p", Decimal(0, 1), "0.0 … 1.0", scope=SAMPLE, own=True, kind=float),
    Option("repeat_penalty", Decimal(0.01, 10), "0.01 … 10.0", scope=SAMPLE, own=True, kind=float),
    Option("repeat_last_n", Whole(-1, 16_777_216), "-1 (= n_ctx) … 16777216", scope=SAMPLE, own=True, kind=int),
    Option("frequency_penalty", Decimal(-2, 2), "-2.0 … 2.0", scope=SAMPLE, own=True, kind=float),
    Option("presence_penalty", Decimal(-2, 2), "-2.0 … 2.0", scope=SAMPLE, own=True, kind=float),
    Option("seed", Whole(0, 2**32 - 1), "0 … 4294967295", scope=SAMPLE, own=True, kind=int),
    Option(
        "idle_timeout",
        Decimal(0.0, 31_536_000.0),
        "0 (= off) … 31536000 s",
        aliases=("IDLE_TIMEOUT_SECONDS",),
        here=ANY,
        variable="IDLE_TIMEOUT",
        default="300",
    ),
    Option(
        "sleep_timeout",
        Decimal(0.0, 31_536_000.0),
        "0 (= off) … 31536000 s",
        here=ANY,
        variable="SLEEP_TIMEOUT",
        default="3600",
    ),
    Option(
        "great_timeout",
        Decimal(0.0, 525_600.0),
        "0 (= off) … 525600 min",
        here=ANY,
        variable="GREAT_TIMEOUT",
        default="60",
    ),
    Option("ramdisk_path", path_or_off, "FOLDER | off", variable="RAMDISK_PATH", default=RAMDISK),
    Option(
        "ramdisk_size",
        Decimal(0.0, 1_000_000.0),
        "0 (= no bound) … 1000000 GiB",
        here=ANY,
        variable="RAMDISK_SIZE",
        default="0",
    ),
    Option(
        "watchdog_timeout",
        Decimal(0.0, 86_400.0),
        "0 (= off) … 86400 s",
        here=ANY,
        variable="WATCHDOG_TIMEOUT",
        default="300",
    ),
    Option("queue_timeout", Decimal(1.0, 86_400.0), "1 … 86400 s", here=ANY, variable="QUEUE_TIMEOUT", default="180"),
    Option("queue_size", Whole(0, 100_000), "0 … 100000", here=ANY, variable="QUEUE_SIZE", default="64"),
    Option("engine", one_of("process", "thread"), "process | thread", variable="ENGINE", default="process"),
    Option("max_models", Whole(1, 16), "1 … 16", here=ANY, variable="MAX_MODELS", default="1"),
    Option(
        "embedding_memory",
        Whole(0, 1_048_576),
        "0 (= off) … 1048576 MiB",
        here=ANY,
        variable="EMBEDDING_MEMORY",
        default="512",
    ),
    Option("runner_ahead", Switch(), "off | on", here=ANY, variable="RUNNER_AHEAD", default="on"),
    Option("library_timeout", Decimal(1.0, 3600.0), "1 … 3600 s", here=ANY, variable="LIBRARY_TIMEOUT", default="60"),
    Option("library_calibration", Switch(), "off | on", variable="LIBRARY_CALIBRATION", default="off"),
    Option(
        "log_level",
        one_of("debug", "info", "warning", "error"),
        "debug | info | warning | error",
        here=ANY,
        variable="LOG_LEVEL",
        default="info",
    ),
    Option("log_file", optional_path, "FILE", variable="LOG_FILE_PATH", default=""),
    Option("log_keep_days", Whole(0, 36_500), "0 (= all) … 36500", variable="LOG_KEEP_DAYS", default="14"),
    Option("require_token", one_of("auto", "always"), "auto | always", variable="REQUIRE_TOKEN", default="auto"),
    Option(
        "rate_limit_requests",
        Whole(0, 1_000_000),
        "0 (= off) … 1000000 / min",
        variable="RATE_LIMIT_REQUESTS",
        default="0",
    ),
    Option(
        "rate_limit_tokens", Whole(0, 10**9), "0 (= off) … 1000000000 / min", variable="RATE_LIMIT_TOKENS", default="0"
    ),
    Option(
        "cors_origins",
        origins,
        "https://example.com, http://localhost:*, app://* (no path) | null | * | none",
        variable="CORS_ORIGINS",
        default=ORIGINS,
    ),
    Option("api_prefix", base_path, "/path", here=ANY, variable="API_PREFIX", default=""),
    Option(
        "allowed_hosts", several(host_name), "example.com, box.local, 192.168.1.5", variable="ALLOWED_HOSTS", default=""
    ),
    Option("tls_cert_file", optional_path, "FILE.pem", variable="TLS_CERT_FILE", default=""),
    Option("tls_key_file", optional_path, "FILE.pem", variable="TLS_KEY_FILE", default=""),
    Option("unix_socket", optional_path, "FILE.sock", variable="UNIX_SOCKET", default=""),
    Option("preload", label, "label", here=ANY, variable="PRELOAD", default=""),
    Option("default_model", label, "label", here=ANY, variable="DEFAULT_MODEL", default=""),
    Option(
        "unknown_model",
        one_of("refuse", "default"),
        "refuse | default",
        here=ANY,
        variable="UNKNOWN_MODEL",
        default="refuse",
    ),
    Option(
        "responses_store", Whole(0, 10_000), "0 (= off) … 10000", here=ANY, variable="RESPONSES_STORE", default="100"
    ),
    Option("allow_remote_images", Switch(), "off | on", variable="ALLOW_REMOTE_IMAGES", default="off"),
    Option(
        "tag_ollama_file",
        optional_path,
        "FILE.json",
        variable="TAG_OLLAMA_FILE",
        default="",
        aliases=("TAG_CACHE_FILE",),
    ),
    Option(
        "memory_summary",
        Switch(),
        "off | on",
        here=ANY,
        variable="MEMORY_SUMMARY",
        default="off",
        own=True,
    ),
    Option("summary_at", Decimal(0.1, 0.95), "0.1 … 0.95", here=ANY, variable="SUMMARY_AT", default="0.75"),
    Option("raw_turns", Whole(1, 1000), "1 … 1000", here=ANY, variable="RAW_TURNS", default="3"),
    Option(
        "summary_choice",
        one_of("clusters", "facts"),
        "clusters | facts",
        here=ANY,
        variable="SUMMARY_CHOICE",
        default="clusters",
    ),
    Option("cluster_divisor", Whole(1, 100_000), "1 … 100000", here=ANY, variable="CLUSTER_DIVISOR", default="100"),
    Option("min_clusters", Whole(1, 1000), "1 … 1000", here=ANY, variable="MIN_CLUSTERS", default="1"),
    Option("max_clusters", Whole(1, 1000), "1 … 1000", here=ANY, variable="MAX_CLUSTERS", default="20"),
    Option("memory", Switch(), "off | on", variable="MEMORY", default="off"),
    Option(
        "memory_distance",
        Decimal(0.0, 2.0, {"auto": AUTO_DISTANCE}),
        "auto | 0.0 … 2.0",
        here=ANY,
        variable="MEMORY_DISTANCE",
        default="auto",
    ),
    Option("memory_tokens", Whole(1, 1_000_000), "1 … 1000000", here=ANY, variable="MEMORY_TOKENS", default="512"),
    Option("memory_ttl", Decimal(0.0, 36_500.0), "0 (= for good) … 36500 days", variable="MEMORY_TTL", default="0"),
    Option("chroma_path", optional_path, "FOLDER", variable="CHROMA_PATH", default=""),
    Option("chroma_url", chroma_url, "http://host:port | https://host:port", variable="CHROMA_URL", default=""),
    Option("embedding_model", label, "label", here=ANY, variable="EMBEDDING_MODEL", default=""),
    Option("sentence_bert_model", label, "name", variable="SENTENCE_BERT_MODEL", default=""),
    Option("drain_timeout", Decimal(0.0, 3600.0), "0 … 3600 s", here=ANY, variable="DRAIN_TIMEOUT", default="30"),
)
SETTINGS: Final = tuple(option for option in OPTIONS if option.variable)
"""These options are set by the environment, .env files and the three flags of the server."""
OWN: Final = tuple(option for option in OPTIONS if option.own)
"""A model may have these options of its own."""
SAMPLING: Final = tuple(option for option in OWN if option.scope == SAMPLE)
"""These of a model's own options say how tokens are chosen."""
PERSONA: Final = (*SAMPLING, *(option for option in OWN if option.name in ("lora", "control_vector", "memory_summary")))
"""A persona may have these options of its own."""
