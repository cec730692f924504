"""Tests settings: which source wins, what is refused and how, and that .env.example is complete and true."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import BinaryIO

import pytest
from dotenv import dotenv_values

from hoshikage import envfile
from hoshikage.errors import SettingInvalid
from hoshikage.in_force import in_force
from hoshikage.messages import LANGUAGES, text
from hoshikage.option import Option
from hoshikage.options import LOAD, SETTINGS
from hoshikage.params import AUTO_LAYERS, LoadParams
from hoshikage.registry import Registry
from hoshikage.settings import LANGUAGE_VARIABLE, Settings, config_dir, load

EXAMPLE = Path(__file__).parent.parent / ".env.example"
VARIABLES = [*(row.variable for row in SETTINGS), LANGUAGE_VARIABLE]


def config_env(home: Path, content: str) -> Path:
    file = config_dir() / ".env"
    assert file.is_relative_to(home)
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="utf-8")
    return file


def test_every_setting_has_one_row() -> None:
    own = [row.name for row in SETTINGS if row.scope != LOAD]
    assert sorted([*own, "lang", "registry_root", "load_params"]) == sorted(field.name for field in fields(Settings))
    assert len(set(VARIABLES)) == len(VARIABLES)


def test_defaults(home: Path) -> None:
    loaded = load({}, {}, home)
    found = loaded.settings
    assert (found.host, found.port, found.lang) == ("127.0.0.1", 3030, "ja")
    assert (found.load_params.n_ctx, found.load_params.n_gpu_layers, found.temperature, found.top_p) == (
        4096,
        -1,
        0.2,
        0.8,
    )
    assert (found.idle_timeout, found.queue_timeout) == (300, 180)
    assert found.lib_path is None
    assert found.lib_dir == config_dir() / "lib"
    assert found.model_map_file == config_dir() / "model_map.json"
    assert set(loaded.sources) == set(VARIABLES)
    assert set(loaded.sources.values()) == {"default"}


def test_flags_win_over_environment_over_working_folder_over_config_folder(home: Path) -> None:
    everywhere = {"PORT": "4", "N_BATCH": "40", "N_CTX": "400", "TOP_P": "0.4"}
    of_config = config_env(home, "".join(f"{name}={value}\n" for name, value in everywhere.items()))
    here = home / "work"
    here.mkdir()
    (here / ".env").write_text("PORT=3\nN_BATCH=30\nN_CTX=300\n")
    loaded = load({"PORT": "1"}, {"PORT": "2", "N_BATCH": "20"}, here)
    found = loaded.settings
    assert (found.port, found.load_params.n_batch, found.load_params.n_ctx, found.top_p) == (1, 20, 300, 0.4)
    assert {name: loaded.sources[name] for name in everywhere} == {
        "PORT": "flag",
        "N_BATCH": "environment",
        "N_CTX": str(here / ".env"),
        "TOP_P": str(of_config),
    }


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", ""),
        ("HOST", ""),
        ("HOST", "a b"),
        ("HOST", "http://127.0.0.1"),
        ("N_CTX", "15"),
        ("N_CTX", "4096.5"),
        ("N_BATCH", "0"),
        ("N_THREADS", "-1"),
        ("N_GPU_LAYERS", "-2"),
        ("N_GPU_LAYERS", "all"),
        ("MAIN_GPU", "-1"),
        ("TENSOR_SPLIT", "0,0"),
        ("TENSOR_SPLIT", "1,,2"),
        ("TENSOR_SPLIT", "1,-1"),
        ("FLASH_ATTN", "yes"),
        ("TYPE_K", "f32"),
        ("TYPE_V", "q5_0"),
        ("USE_MMAP", "true"),
        ("REQUIRE_GPU", "1"),
        ("LIBRARY_TIMEOUT", "0"),
        ("TEMPERATURE", "nan"),
        ("TEMPERATURE", "2.1"),
        ("TOP_P", "1.5"),
        ("TOP_P", "inf"),
        ("IDLE_TIMEOUT", "-1"),
        ("GREAT_TIMEOUT", "-1"),
        ("GREAT_TIMEOUT", "nan"),
        ("QUEUE_TIMEOUT", "0"),
        ("QUEUE_SIZE", "many"),
        ("MODEL_DIR", "~nobody-of-that-name/models"),
        ("RAMDISK_SIZE", "-1"),
        ("ENGINE", "gpu"),
        ("LOG_LEVEL", "loud"),
        ("HOSHIKAGE_LANG", "fr"),
        ("REQUIRE_TOKEN", "never"),
        ("RATE_LIMIT_REQUESTS", "-1"),
        ("CORS_ORIGINS", "example.com"),
        ("CORS_ORIGINS", "https://example.com/page"),
        ("CORS_ORIGINS", "none, https://a.example"),
        ("CORS_ORIGINS", "https://a b.example"),
        ("API_PREFIX", "/a b"),
        ("API_PREFIX", "/../x"),
        ("UNKNOWN_MODEL", "guess"),
        ("ALLOWED_HOSTS", "http://example.com"),
        ("ALLOWED_HOSTS", "example.com:80"),
        ("ALLOWED_HOSTS", "*"),
        ("RESPONSES_STORE", "-1"),
        ("RESPONSES_STORE", "10001"),
        ("DRAIN_TIMEOUT", "-1"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(variable: str, value: str, home: Path) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load({}, {variable: value}, home)
    error = caught.value
    assert error.exit_status == 2
    for language in LANGUAGES:
        message = text(language, error.key, **error.details)
        assert variable in message
        assert f"{value}" in message
        assert str(error.details["allowed"]) in message
        assert {"ja": "環境変数", "en": "environment"}[language] in message


def test_load_settings(home: Path) -> None:
    plain = load({}, {}, home).settings.load_params
    of_the_model = {"model_path", "draft_path", "mmproj", "chat_template", "template_name", "controls", "vocab_only"}
    of_the_model |= {"lora", "control_vectors", "fewer_layers_than", "whole_windows"}
    names = {field.name for field in fields(LoadParams)} - of_the_model
    assert {row.name for row in SETTINGS if row.scope == LOAD} == names
    assert plain == LoadParams("")
    given = {"N_GPU_LAYERS": "Auto", "MAIN_GPU": "1", "TENSOR_SPLIT": "3, 1,1", "TYPE_V": "Q8_0", "USE_MMAP": "off"}
    params = load({}, given, home).settings.load_params
    assert (params.n_gpu_layers, params.main_gpu, params.tensor_split) == (AUTO_LAYERS, 1, (3.0, 1.0, 1.0))
    assert (params.type_k, params.type_v, params.use_mmap, params.use_mlock) == ("f16", "q8_0", False, False)


def test_a_bad_value_in_a_file_names_the_file(home: Path) -> None:
    file = config_env(home, "PORT=x\n")
    with pytest.raises(SettingInvalid) as caught:
        load({}, {}, home)
    assert caught.value.details["source"] == str(file)


def test_the_source_of_a_bad_value_is_named_in_the_users_language(home: Path) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load({"PORT": "x"}, {}, home)
    assert "コマンドの引数" in text("ja", caught.value.key, **caught.value.details)
    assert "command line" in text("en", caught.value.key, **caught.value.details)


def in_folder(folder: Path, content: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_text(content, encoding="utf-8")
    return folder


FOREIGN = {
    "HOST": "0.0.0.0",
    "HOSHIKAGE_LIB_PATH": "./lib",
    "RAMDISK_PATH": "./ram",
    "RPC_SERVERS": "elsewhere:50052",
    "KV_STORE": "disk",
    "KV_STORE_SIZE": "9",
    "KV_STORE_TTL": "9",
    "ENGINE": "thread",
    "LIBRARY_CALIBRATION": "on",
    "LOG_FILE_PATH": "./log",
    "LOG_KEEP_DAYS": "1",
    "REQUIRE_TOKEN": "always",
    "RATE_LIMIT_REQUESTS": "9",
    "RATE_LIMIT_TOKENS": "9",
    "CORS_ORIGINS": "https://a.example",
    "ALLOWED_HOSTS": "a.example",
    "TLS_CERT_FILE": "./cert",
    "TLS_KEY_FILE": "./key",
    "UNIX_SOCKET": "./socket",
    "ALLOW_REMOTE_IMAGES": "on",
    "TAG_OLLAMA_FILE": "./tags.json",
    "MEMORY_TTL": "9",
    "CHROMA_PATH": "./chroma",
    "CHROMA_URL": "http://a.example:8000",
    "SENTENCE_BERT_MODEL": "a/model",
    "MEMORY": "on",
}
"""A working folder's `.env` asks for these in vain."""


def test_a_working_folder_names_no_code_no_address_and_no_files_and_loosens_no_access(home: Path) -> None:
    assert {row.variable for row in SETTINGS if row.here == "never"} == FOREIGN.keys()
    here = in_folder(home / "work", "".join(f"{name}={value}\n" for name, value in FOREIGN.items()) + "N_CTX=300\n")
    loaded = load({}, {}, here)
    assert [(found.key, found.details["name"]) for found in loaded.warnings] == [
        ("settings.env_untrusted", name) for name in FOREIGN
    ]
    assert {loaded.sources[name] for name in FOREIGN} == {"default"}
    assert loaded.settings == replace(load({}, {}, home).settings, load_params=LoadParams("", n_ctx=300))
    of_config = config_env(home, "HOSHIKAGE_LIB_PATH=/own\n")
    assert load({}, {}, here).sources["HOSHIKAGE_LIB_PATH"] == str(of_config)
    assert load({}, {"HOSHIKAGE_LIB_PATH": "/said"}, here).settings.lib_path == Path("/said").absolute()
    of_itself = load({}, {}, of_config.parent)
    assert of_itself.settings.lib_path == Path("/own").absolute()
    assert of_itself.warnings == ()


def test_a_setting_of_which_nobody_said_so_is_not_taken_from_a_working_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Option("new", str, "").here == "never"
    row = next(row for row in SETTINGS if row.variable == "IDLE_TIMEOUT")
    rows = tuple(replace(one, here="never") if one is row else one for one in SETTINGS)
    monkeypatch.setattr("hoshikage.settings.SETTINGS", rows)
    loaded = load({}, {}, in_folder(home / "work", "IDLE_TIMEOUT_SECONDS=1\n"))
    assert loaded.settings.idle_timeout == 300, "nor by its former name"
    assert [found.details["name"] for found in loaded.warnings] == ["IDLE_TIMEOUT_SECONDS"]


@pytest.mark.parametrize("name", ["MODEL_MAP_FILE", "MODEL_DIR"])
def test_a_working_folder_names_its_own_files_only(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field = name.lower()
    outside = home / "secret"
    outside.mkdir()
    here = in_folder(home / "work", "")
    (here / "data").mkdir()
    (here / "link").symlink_to(outside)
    (here / "loop").symlink_to(here / "loop")
    monkeypatch.chdir(here)
    default = getattr(load({}, {}, here).settings, field)
    for value in ("data/one", "./data/one", "data/../data/one"):
        in_folder(here, f"{name}={value}\n")
        loaded = load({}, {}, here)
        assert getattr(loaded.settings, field) == Path(value).absolute(), value
        assert loaded.warnings == ()
    for value in (
        str(outside / "one"),
        "../secret/one",
        "link/one",
        "~/one",
        "data/../../one",
        "/",
        "loop/one",
        "..",
        "link/../data",
    ):
        in_folder(here, f"{name}={value}\n")
        loaded = load({}, {}, here)
        assert getattr(loaded.settings, field) == default, value
        (warning,) = loaded.warnings
        assert (warning.key, warning.details["name"]) == ("settings.env_outside", name)
        assert load({}, {name: value}, here).sources[name] == "environment"


def test_the_registry_of_a_working_folder_names_no_text_outside_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = in_folder(home / "work", "MODEL_MAP_FILE=model_map.json\n")
    monkeypatch.chdir(here)
    (home / "secret").write_text("words")
    (here / "link").symlink_to(home / "secret")
    (here / "own.jinja").write_text("{{ messages }}")
    templates = {"own": "own.jinja", "chatml": "chatml", "none": None, "up": "../secret", "link": "link"}
    templates |= {"whole": str(home / "secret"), "whole-own": str(here / "own.jinja")}
    entries = {
        label: {"path": "/models", "model": "one.gguf", **({} if template is None else {"chat_template": template})}
        for label, template in templates.items()
    }
    (here / "model_map.json").write_text(json.dumps(entries))
    found = load({}, {}, here).settings
    registry = Registry(found.model_map_file, found.model_dir, found.registry_root)
    assert [spec.label for spec in registry.specs()] == ["own", "chatml", "none", "whole-own"]
    assert [(problem.key, problem.details["label"]) for problem in registry.problems()] == [
        ("model.entry_template_outside", label) for label in ("up", "link", "whole")
    ]
    said = load({}, {"MODEL_MAP_FILE": "model_map.json"}, here).settings
    assert len(Registry(said.model_map_file, None, said.registry_root).specs()) == len(templates)


def test_a_copy_of_the_example_in_the_working_folder_warns_of_nothing(home: Path) -> None:
    (home / ".env").write_bytes(EXAMPLE.read_bytes())
    assert load({}, {}, home).warnings == ()


def test_a_source_that_is_not_asked_is_not_judged(home: Path) -> None:
    config_env(home, "PORT=x\n")
    assert load({}, {"PORT": "1"}, home).settings.port == 1


@pytest.mark.parametrize(
    ("content", "line"),
    [("# 星影\nLOG_LEVEL=info # 設定\n".encode("shift-jis"), 1), ("PORT=1\n".encode("utf-16"), 1), (b"A=1\nB=\xff", 2)],
)
def test_a_file_that_is_no_utf_8_is_named_with_the_place(content: bytes, line: int, home: Path) -> None:
    file = config_env(home, "")
    file.write_bytes(content)
    with pytest.raises(SettingInvalid) as caught:
        load({}, {}, home)
    for language in LANGUAGES:
        message = text(language, caught.value.key, **caught.value.details)
        assert str(file) in message
        assert str(line) in message
        assert "UTF-8" in message
    assert caught.value.details["line"] == line


def test_a_file_that_cannot_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = config_env(home, "PORT=1\n")

    def refused(self: Path, mode: str) -> BinaryIO:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SettingInvalid) as caught:
        load({}, {}, home)
    assert caught.value.details == {"file": str(file), "reason": "Permission denied"}


def test_a_file_that_is_too_large_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envfile, "MAX_BYTES", 7)
    file = config_env(home, "PORT=1\n")
    assert load({}, {}, home).settings.port == 1
    file.write_text("PORT=1\n#", "utf-8")
    with pytest.raises(SettingInvalid) as caught:
        load({}, {}, home)
    assert caught.value.details == {"file": str(file), "most": 7}
    assert all(str(file) in text(language, caught.value.key, **caught.value.details) for language in LANGUAGES)


def test_a_name_alone_is_no_line_and_is_told_with_its_own_number(home: Path) -> None:
    file = config_env(home, "# words\n\n\nCHROMA_URL\nPORT=4\n\r\n\n  LANG_\nCHROMA_PATH=\n")
    loaded = load({}, {}, home)
    assert (loaded.settings.port, loaded.sources["CHROMA_URL"], loaded.sources["CHROMA_PATH"]) == (
        4,
        "default",
        str(file),
    )
    assert [(found.key, found.details) for found in loaded.warnings] == [
        ("settings.env_line", {"file": str(file), "line": 4}),
        ("settings.env_line", {"file": str(file), "line": 8}),
    ]


def test_a_mark_at_the_files_beginning_is_no_part_of_a_name(home: Path) -> None:
    config_env(home, "\ufeffPORT=4\n")
    assert load({}, {}, home).settings.port == 4


def test_lines_without_a_meaning_and_misspelt_names_are_told(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = "TEMPRATURE=0.5\nsome words = 1 'x\nPORT=4\nport_=5\nPOSTGRES_PASSWORD=x\nexport N_CTX=64\n"
    file = config_env(home, content)
    loaded = load({}, {}, home)
    assert (loaded.settings.port, loaded.settings.load_params.n_ctx) == (4, 64)
    assert [(found.key, found.details) for found in loaded.warnings] == [
        ("settings.env_line", {"file": str(file), "line": 2}),
        ("settings.env_unknown", {"file": str(file), "name": "TEMPRATURE", "near": "TEMPERATURE"}),
        ("settings.env_unknown", {"file": str(file), "name": "port_", "near": "PORT"}),
    ]
    assert capfd.readouterr() == ("", ""), "python-dotenv tells nothing by itself"


def test_paths_are_absolute_and_know_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    found = load({}, {"HOSHIKAGE_LIB_PATH": "~/lib", "MODEL_MAP_FILE": "models.json"}, home).settings
    assert found.lib_path == home / "lib"
    assert found.model_map_file == home / "models.json"


def test_a_word_that_stands_for_a_number_is_shown_as_the_word(home: Path) -> None:
    settings = load({}, {"N_GPU_LAYERS": "AUTO", "N_CTX": "2048"}, home).settings
    shown = {row["name"]: row["value"] for row in in_force(settings, {})}
    assert (shown["N_GPU_LAYERS"], shown["MEMORY_DISTANCE"], shown["N_CTX"]) == ("auto", "auto", 2048)


def test_lists_have_commas(home: Path) -> None:
    origins = "https://a.example, http://[::1]:5173,https://a.example,"
    found = load({}, {"CORS_ORIGINS": origins, "ALLOWED_HOSTS": "Box.local , [FD00::1],10.0.0.5"}, home).settings
    assert found.cors_origins == ("https://a.example", "http://[::1]:5173")
    assert found.allowed_hosts == ("box.local", "fd00::1", "10.0.0.5")
    assert load({}, {"CORS_ORIGINS": "*"}, home).settings.cors_origins == ("*",)
    assert load({}, {"CORS_ORIGINS": "none"}, home).settings.cors_origins == ()
    assert load({}, {}, home).settings.allowed_hosts == ()


def test_origins_are_taken_as_people_write_them(home: Path) -> None:
    given = "http://localhost:5173/, HTTPS://App.Example, moz-extension://*, null, file://"
    assert load({}, {"CORS_ORIGINS": given}, home).settings.cors_origins == (
        "http://localhost:5173", "https://app.example", "moz-extension://*", "null", "file://"
    )  # fmt: skip


@pytest.mark.parametrize(("given", "prefix"), [("", ""), ("/", ""), ("llm", "/llm"), ("/a/llm-1/", "/a/llm-1")])
def test_a_base_path_has_one_spelling(home: Path, given: str, prefix: str) -> None:
    assert load({}, {"API_PREFIX": given}, home).settings.api_prefix == prefix


def test_the_former_name_of_a_setting_works_and_its_own_wins(home: Path) -> None:
    config_env(home, "IDLE_TIMEOUT=7\n")
    loaded = load({}, {"IDLE_TIMEOUT_SECONDS": "60"}, home)
    assert (loaded.settings.idle_timeout, loaded.sources["IDLE_TIMEOUT"]) == (60, "environment")
    assert load({}, {"IDLE_TIMEOUT_SECONDS": "60", "IDLE_TIMEOUT": "5"}, home).settings.idle_timeout == 5
    with pytest.raises(SettingInvalid) as caught:
        load({}, {"IDLE_TIMEOUT_SECONDS": "soon"}, home)
    assert caught.value.details["name"] == "IDLE_TIMEOUT_SECONDS", "the name that was written"


def test_what_the_older_versions_example_says_is_understood(home: Path) -> None:
    older = "RAMDISK_PATH=/mnt/temp/hoshikage\nRAMDISK_SIZE=12\nIDLE_TIMEOUT_SECONDS=300\nGREAT_TIMEOUT=60\n"
    older += "CHROMA_PATH=./data/hoshikage_chroma_db\nSENTENCE_BERT_MODEL=cl-nagoya/ruri-small-v2\n"
    older += "CLUSTER_DIVISOR=100\nMIN_CLUSTERS=1\nMAX_CLUSTERS=20\n"
    older += "TAG_CACHE_FILE=./data/tags_cache.json\nTAG_OLLAMA_FILE=./data/tags_ollama.json\n"
    config_env(home, older + "MODEL_MAP_FILE=./data/model_map.json\n")
    loaded = load({}, {}, home)
    assert loaded.warnings == ()
    found = loaded.settings
    assert found.chroma_path == Path("data/hoshikage_chroma_db").absolute()
    assert found.sentence_bert_model == "cl-nagoya/ruri-small-v2"
    assert (found.cluster_divisor, found.min_clusters, found.max_clusters) == (100, 1, 20)
    assert found.tag_ollama_file == Path("data/tags_ollama.json").absolute()
    assert (found.ramdisk_path, found.ramdisk_size) == (Path("/mnt/temp/hoshikage").absolute(), 12)
    assert (found.idle_timeout, found.great_timeout) == (300, 60)
    assert found.model_map_file == Path("data/model_map.json").absolute()


def test_a_model_dir_is_a_path(home: Path) -> None:
    assert load({}, {}, home).settings.model_dir is None
    assert load({}, {"MODEL_DIR": "~/models"}, home).settings.model_dir == home / "models"


def test_the_ram_disk_is_on_where_there_is_one_and_can_be_turned_off(home: Path) -> None:
    default = load({}, {}, home).settings
    assert default.ramdisk_path == (Path("/dev/shm") if sys.platform == "linux" else None)
    assert default.great_timeout == 60
    for off in ("", "off", "OFF"):
        assert load({}, {"RAMDISK_PATH": off}, home).settings.ramdisk_path is None
    assert load({}, {"RAMDISK_PATH": "~/ram"}, home).settings.ramdisk_path == home / "ram"


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"HOSHIKAGE_LANG": "en", "LC_ALL": "ja_JP.UTF-8"}, "en"),
        ({"HOSHIKAGE_LANG": "JA", "LANG": "en_US.UTF-8"}, "ja"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "ja"),
        ({"LC_ALL": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "cs_CZ"}, "en"),
        ({"LC_ALL": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
        ({"HOSHIKAGE_LANG": "", "LANG": "en_US.UTF-8"}, "en"),
    ],
)
def test_language(environ: dict[str, str], language: str, home: Path) -> None:
    assert load({}, environ, home).settings.lang == language


def test_the_example_names_every_setting_with_its_default() -> None:
    named = dotenv_values(EXAMPLE, encoding="utf-8")
    assert named == {**{row.variable: row.default for row in SETTINGS}, LANGUAGE_VARIABLE: ""}
    assert list(named) == list(dict.fromkeys(re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE)))


def test_the_example_as_it_stands_changes_nothing(home: Path) -> None:
    without = load({}, {}, home).settings
    config_env(home, EXAMPLE.read_text("utf-8"))
    assert load({}, {}, home).settings == without


def test_the_example_explains_every_setting_in_both_languages() -> None:
    blocks = EXAMPLE.read_text("utf-8").split("\n\n")[1:]
    for block in blocks:
        assert re.search("^[A-Z_]+=", block, re.MULTILINE), block
        comment = " ".join(line for line in block.splitlines() if line.startswith("#"))
        assert re.search("[ぁ-ん]", comment), block
        assert re.search("[a-z]{4,}", comment), block


def test_folders_are_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def user_config_dir(app: str, **options: object) -> str:
        asked.append(options)
        return f"/somewhere/{app}"

    monkeypatch.setattr("platformdirs.user_config_dir", user_config_dir)
    assert config_dir() == Path("/somewhere/hoshikage")
    assert asked == [{"appauthor": False, "roaming": True}], "%APPDATA%\\hoshikage on Windows"
