"""Holds the texts of the pull area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": ("モデルをダウンロードして登録", "download a model and register it"),
    "address": (
        "Hugging Face の ORG/NAME[:量子化]、ms:ORG/NAME[:量子化]（ModelScope）、または GGUF ファイルの URL",
        "ORG/NAME[:QUANT] of Hugging Face, ms:ORG/NAME[:QUANT] of ModelScope, or the URL of a GGUF file",
    ),
    "dry_run": ("何をダウンロードするかだけを表示", "only show what would be downloaded"),
    "remote": ("リポジトリにあるモデルの一覧（ORG/NAME）", "list the models of a repository (ORG/NAME)"),
    "would": ("{label} として {quant} をダウンロードします。", "Would download {quant} as {label}:"),
    "bringing": ("{quant} をダウンロードしています（{size}）", "Downloading {quant} ({size})"),
    "checking": ("{name}（検査中）", "{name} (checking)"),
    "with_draft": ("先読み用のモデルも使います: {file}", "with its draft model: {file}"),
    "too_large": (
        "いまの空きメモリには入りきらないようです。`hoshikage list --remote` で小さい量子化を探せます。",
        "It does not seem to fit the memory that is free now. `hoshikage list --remote` shows smaller ones.",
    ),
    "address_invalid": (
        "「{address}」は読めません。ORG/NAME、ORG/NAME:Q4_K_M、ms:ORG/NAME、https://…/model.gguf のように"
        "指定してください。",
        "“{address}” cannot be read. Give it as ORG/NAME, ORG/NAME:Q4_K_M, ms:ORG/NAME or https://…/model.gguf.",
    ),
    "digest_invalid": (
        "URL の # の後は sha256= と 64 桁の 16 進数にしてください（「{digest}」）。",
        "After the # of a URL goes sha256= with 64 hexadecimal digits (not “{digest}”).",
    ),
    "url_not_https": (
        "{url} は暗号化されていないので取りに行きません。https を使うか、#sha256=… を付けてください。",
        "{url} is not encrypted and nobody vouches for it. Use https, or add #sha256=….",
    ),
    "no_client": (
        "Hugging Face から取るには huggingface-hub が要ります: pip install 'hoshikage[pull]'",
        "Models from Hugging Face need huggingface-hub: pip install 'hoshikage[pull]'",
    ),
    "no_gguf": (
        "{where} に GGUF ファイルがありません。名前に GGUF が付いたリポジトリを探してください。",
        "{where} has no GGUF file. Look for a repository with GGUF in its name.",
    ),
    "quant_unknown": (
        "{where} に {quant} はありません。あるもの: {known}",
        "{where} has no {quant}. It has: {known}",
    ),
    "file_unknown": (
        "{where} に {file} というモデルのファイルはありません。`hoshikage list --remote {where}` で確かめられます。",
        "{where} has no model file {file}. `hoshikage list --remote {where}` shows what it has.",
    ),
    "several": (
        "{where} には当てはまるモデルがいくつもあります。ファイルを選んで {where}/resolve/main/… の形で"
        "指定してください: {names}",
        "{where} has several models that would do. Choose a file, as {where}/resolve/main/…: {names}",
    ),
    "parts_missing": (
        "{where} の分割モデルには足りない部分があります: {names}。別の量子化かリポジトリを選んでください。",
        "Parts of the split model are missing in {where}: {names}. Choose another quantisation or repository.",
    ),
    "path_unsafe": (
        "リポジトリのファイル名「{path}」は、保存先のフォルダーの外を指すので使いません。",
        "The repository's file name “{path}” leads out of its folder; it is not used.",
    ),
    "offline": (
        "HF_HUB_OFFLINE が有効で、{where} は手元のキャッシュにありません。ダウンロードするには HF_HUB_OFFLINE "
        "を外してください。",
        "HF_HUB_OFFLINE is on, and {where} is not in the cache here. Unset it to have the model downloaded.",
    ),
    "gated": (
        "{where} は許可が要ります。ページで条件に同意し、HF_TOKEN（または hf auth login）でトークンを渡してください。",
        "{where} is gated. Accept its terms on its page, and give your token by HF_TOKEN or hf auth login.",
    ),
    "repo_unknown": (
        "{where} というリポジトリはありません（非公開なら、HF_TOKEN でトークンを渡してください）。",
        "There is no repository {where} (for a private one, give your token by HF_TOKEN).",
    ),
    "revision_unknown": (
        "{where} に {revision} というリビジョンはありません。リポジトリのページで確かめてください。",
        "{where} has no revision {revision}. Look at the repository's page for those that it has.",
    ),
    "forbidden": (
        "{name} を取る権限がありません（HTTP {status}）。トークンを確かめてください。",
        "{name} may not be fetched (HTTP {status}). Check your token.",
    ),
    "not_found": (
        "{name} はそこにありません（HTTP 404）。アドレスを確かめてください。",
        "{name} is not there (HTTP 404). Check the address.",
    ),
    "http": (
        "{name}: サーバーが HTTP {status} を返し続けました。しばらくして同じコマンドを実行すると、続きから始めます。",
        "{name}: the server keeps answering HTTP {status}. The same command later goes on from here.",
    ),
    "busy_server": (
        "{name}: サーバーが {seconds} 秒待つように言っています。その後に同じコマンドを実行すると、続きから始めます。",
        "{name}: the server asks to wait {seconds} s. The same command after that goes on from here.",
    ),
    "unreachable": (
        "{name}: つながりません（{reason}）。同じコマンドを実行すると、続きから始めます。",
        "{name}: the connection failed ({reason}). The same command goes on from here.",
    ),
    "unreadable": (
        "{where} の一覧が読めません。しばらくしてからもう一度お試しください。",
        "The list of {where} cannot be read. Try again later.",
    ),
    "cut": (
        "{name}: {total} バイトのうち {done} バイトで途切れました。同じコマンドを実行すると、続きから始めます。",
        "{name}: cut off after {done} of {total} bytes. The same command goes on from here.",
    ),
    "size_differs": (
        "{name}: 大きさが違います（{expected} バイトのはずが {found}）。配布元が更新中かもしれません。"
        "しばらくしてからもう一度お試しください。",
        "{name}: the size is wrong (expected {expected} bytes, found {found}). It may be changing right now. Try "
        "again later.",
    ),
    "range_wrong": (
        "{name}: サーバーが頼んだのと違う部分を返し続けました。しばらくしてからもう一度お試しください。",
        "{name}: the server keeps giving another part than was asked for. Try again later.",
    ),
    "encoded": (
        "{name}: サーバーが圧縮した形で返したので、続きから取れません。しばらくしてからもう一度お試しください。",
        "{name}: the server sent it compressed, so it could not be continued; it was not taken. Try again later.",
    ),
    "sum_differs": (
        "{name}: 中身が壊れています（SHA-256 が {expected} のはずが {found}）。消したので、もう一度実行してください。",
        "{name}: its content is damaged (SHA-256 should be {expected}, is {found}). It was removed; try again.",
    ),
    "busy": (
        "{name} は別のプロセスがダウンロード中です。終わるのを待ってください。",
        "{name} is being downloaded by another process. Wait until it is done.",
    ),
    "no_space": (
        "{folder} の空きが足りません（あと {needed} MiB 要りますが、空きは {free} MiB）。"
        "空けてからもう一度実行してください。",
        "{folder} lacks space ({needed} MiB more are needed, {free} MiB are free). Make room and try again.",
    ),
    "disk_full": (
        "{folder} のディスクがいっぱいです。空けてから同じコマンドを実行すると、続きから始めます。",
        "The disk of {folder} is full. Make room; the same command then goes on from here.",
    ),
    "io_failed": (
        "{file} に書けません（{reason}）。空き容量とアクセス権を確かめてください。",
        "{file} cannot be written ({reason}). Check the free space and the permissions.",
    ),
    "stopped": ("ダウンロードを止めました。続きは残してあります。", "The download was stopped; what has come is kept."),
    "ollama_name": (
        "「{name}」は Ollama のレジストリの名前です。hf.co/ORG/NAME:Q4_K_M のように指定してください。",
        "“{name}” is a name of Ollama's own registry. Give it as hf.co/ORG/NAME:Q4_K_M.",
    ),
    "list_quant": ("量子化", "quantisation"),
    "list_size": ("サイズ", "size"),
    "list_files": ("ファイル", "files"),
    "list_fits": ("このマシン", "on this machine"),
    "list_projectors": ("画像用の部品", "for pictures"),
    "list_drafts": ("先読み用のモデル", "draft model"),
    "fits_yes": ("入りそう", "seems to fit"),
    "fits_no": ("入らない", "too large"),
    "fits_unknown": ("不明", "unknown"),
    "is_usual": ("（pull が選ぶもの）", " (what pull takes)"),
    "is_torn": ("部分が足りない", "parts are missing"),
}
