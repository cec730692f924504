"""Holds the texts of the doctor area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "ok": ("良好", "ok"),
    "warning": ("注意", "warning"),
    "problem": ("問題", "problem"),
    "all_ok": ("すべて良好です。", "Everything is fine."),
    "all_warning": ("動きますが、注意があります。", "It works; there are warnings."),
    "all_problem": ("問題があります。上の → に従ってください。", "There are problems. Follow the → above."),
    "program": ("星影 {version}（Python {python}）", "Hoshikage {version} (Python {python})"),
    "env_partly": ("{file} の一部は使われていません。", "Part of {file} has no effect."),
    "folder_config": (
        "設定フォルダーに書き込めます: {folder}（空き {free}）",
        "The config folder can be written: {folder} ({free} free)",
    ),
    "folder_registry": (
        "登録のフォルダーに書き込めます: {folder}（空き {free}）",
        "The registry's folder can be written: {folder} ({free} free)",
    ),
    "folder_cache": (
        "キャッシュのフォルダーに書き込めます: {folder}（空き {free}）",
        "The cache folder can be written: {folder} ({free} free)",
    ),
    "folder_refused": ("フォルダーに書き込めません: {folder}", "The folder cannot be written: {folder}"),
    "folder_advice": (
        "{folder} の所有者とアクセス権を確かめてください。",
        "Check the owner and permissions of {folder}.",
    ),
    "disk_advice": (
        "ディスクの空きが 1 GiB を切っています。不要なファイルを減らしてください。",
        "Less than 1 GiB of the disk is free. Make room.",
    ),
    "examining": ("ライブラリを確かめています…", "Examining the library…"),
    "library": ("ライブラリ: {file}（{source}）", "Library: {file} ({source})"),
    "source_hoshikage_lib_path": ("HOSHIKAGE_LIB_PATH で指定", "named by HOSHIKAGE_LIB_PATH"),
    "source_config": ("設定フォルダー", "config folder"),
    "source_system": ("システムの検索先", "system search"),
    "library_refused": ("ライブラリが使えません。", "No library can be used."),
    "layouts": (
        "リリース {version}、構造体の配置はモデル {model}・コンテキスト {context} と一致",
        "Release {version}; struct layouts recognised: model {model}, context {context}",
    ),
    "lacks": ("このリリースにない機能: {names}", "What this release lacks: {names}"),
    "golden_passed": (
        "内蔵モデルで正しい結果を計算しました。",
        "It computes the right results with the built-in model.",
    ),
    "golden_not_run": (
        "計算結果の確認はまだです。",
        "Its results have not been checked.",
    ),
    "golden_advice": (
        "内蔵モデル（`pip install ./demo`）を入れると確認できます。",
        "Install the built-in model (`pip install ./demo`) to have them checked.",
    ),
    "device": (
        "デバイス {name}（{kind}）: {description}、メモリ {memory}",
        "Device {name} ({kind}): {description}, memory {memory}",
    ),
    "threads": (
        "コア {cores} 個、計算に使うスレッド {threads} 個",
        "Cores: {cores}, threads to compute with: {threads}",
    ),
    "busy": (
        "コア {cores} 個。ほかのプログラムも計算中。計算に使うスレッド {threads} 個",
        "Cores: {cores}; other programs compute, too. Threads to compute with: {threads}",
    ),
    "busy_advice": (
        "答えが遅いときは N_THREADS を減らしてください。待ち合わせるスレッドは、コアを取り合うと何倍も遅くなります。",
        "If answers are slow, lower N_THREADS: threads that wait for each other are many times slower where others "
        "want the cores.",
    ),
    "driver": ("NVIDIA のドライバー {version}", "NVIDIA driver {version}"),
    "part_unused": ("ライブラリの {file} は読み込めないため使われません。", "{file} cannot be loaded and is not used."),
    "gpu_idle": ("GPU は使われません", "No GPU is used"),
    "rpc_lacking": (
        "RPC_SERVERS のマシン（{names}）は使えません。モデルの読み込みは断られます。",
        "The machines of RPC_SERVERS ({names}) cannot be used; every load of a model is refused.",
    ),
    "gpu_required": ("REQUIRE_GPU=on ですが GPU を使えません。", "REQUIRE_GPU=on, but no GPU can be used."),
    "taken_back_advice": (
        "`hoshikage lib list` で確かめ、別のリリースを入れるか、`hoshikage lib use 名前` で選び直してください。",
        "See `hoshikage lib list`; install another release, or choose one with `hoshikage lib use NAME`.",
    ),
    "registry_advice": (
        "{file} をエディターで直すか、最後に正しく保存された {last_good} をコピーしてください。",
        "Mend {file} in an editor, or copy the last good state, {last_good}, over it.",
    ),
    "registry_mend": (
        "{file} をエディターで直すか、消して登録し直してください。",
        "Mend {file} in an editor, or delete it and register again.",
    ),
    "registry_refused": (
        "{file} とそのフォルダーの所有者とアクセス権を確かめてください。",
        "Check the owner and permissions of {file} and of its folder.",
    ),
    "entry_advice": (
        "{file} をエディターで直すか、`hoshikage {verb} {label}` で消してください。",
        "Mend it in {file} with an editor, or drop it with `hoshikage {verb} {label}`.",
    ),
    "no_models": ("登録されたモデルがありません（{file}）。", "No model is registered ({file})."),
    "no_models_advice": (
        "`hoshikage add ファイル.gguf ラベル` で登録するか、`hoshikage demo` を試してください。",
        "Register one with `hoshikage add FILE.gguf LABEL`, or try `hoshikage demo`.",
    ),
    "model": ("モデル {label}: {what}", "Model {label}: {what}"),
    "model_dir": (
        "MODEL_DIR: {folder}（未登録の GGUF が {count} 個）",
        "MODEL_DIR: {folder} (GGUF files that are not registered: {count})",
    ),
    "model_dir_refused": (
        "MODEL_DIR のフォルダーがないか、読めません: {folder}",
        "MODEL_DIR is no folder that can be read: {folder}",
    ),
    "model_dir_advice": (
        "フォルダーを作るか、MODEL_DIR を直してください。",
        "Make that folder, or put MODEL_DIR right.",
    ),
    "persona": ("ペルソナ {name}（モデル {model}）", "Persona {name}, of the model {model}"),
    "persona_missing": (
        "ペルソナ {name} の使うモデル {model} がありません。",
        "The persona {name} uses the model {model}, which is not there.",
    ),
    "persona_advice": (
        "`hoshikage add ファイル.gguf {model}` で登録し直すか、"
        "`hoshikage persona rm {name}` でペルソナを消してください。",
        "Register it again with `hoshikage add FILE.gguf {model}`, or remove the persona with "
        "`hoshikage persona rm {name}`.",
    ),
    "model_advice": (
        "ファイルを直すか、`hoshikage rm {label}` で登録を外してください。",
        "Put the file right, or drop the entry with `hoshikage rm {label}`.",
    ),
    "model_advice_projector": (
        'ファイルを直すか、`hoshikage add "{file}" {label} --mmproj ""` で画像や音声を読む部品を外すか、'
        "`hoshikage rm {label}` で登録を外してください。",
        'Put the file right, take the projector away with `hoshikage add "{file}" {label} --mmproj ""`, or drop the '
        "entry with `hoshikage rm {label}`.",
    ),
    "port_ours": ("{url} で星影 {version} が動いています。", "Hoshikage {version} runs at {url}."),
    "memory": ("記憶が使えません。", "Memory cannot be used."),
    "memory_no_label": (
        "EMBEDDING_MODEL={label} という名前のモデルは登録されていません。",
        "No model is registered as EMBEDDING_MODEL={label}.",
    ),
    "memory_model": ("記憶のベクトルは {name} が作ります。", "Memory's vectors are made by {name}."),
    "memory_shared": (
        "トークンがないので、このマシンの呼び手はみな同じ記憶（local）を共有します。",
        "There are no tokens, so all callers of this machine share one memory (local).",
    ),
    "port_free": ("{host}:{port} は空いています。", "{host}:{port} is free."),
    "port_taken": (
        "{host}:{port} をほかのプログラムが使っています。",
        "{host}:{port} is in use by another program.",
    ),
    "port_advice": (
        "そのプログラムを止めるか、PORT={other} のように別のポートを設定してください。",
        "Stop that program, or set another port, for instance PORT={other}.",
    ),
    "port_refused": (
        "{host}:{port} で待ち受けできません（{reason}）。",
        "{host}:{port} cannot be listened on ({reason}).",
    ),
    "host_advice": (
        "HOST と PORT を見直してください（ふつうは 127.0.0.1 と 3030）。",
        "Check HOST and PORT (127.0.0.1 and 3030 are the usual ones).",
    ),
}
