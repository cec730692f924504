"""Texts of the dispatch area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "queue_full": (
        "待ち行列がいっぱいです（上限 {bound} 件）。少し待ってからもう一度送ってください。",
        "The queue is full ({bound} requests). Wait a little and send the request again.",
    ),
    "queue_timeout": (
        "順番が {seconds:.0f} 秒以内に回ってきませんでした。少し待ってからもう一度送ってください。",
        "The request's turn did not come within {seconds:.0f} s. Wait a little and send it again.",
    ),
    "crashed": (
        "モデルを動かしているプロセスが途中で落ちました（{reason}）。サーバーは動き続けています。もう一度送ってください。",
        "The process running the model ended unexpectedly ({reason}). The server goes on; send the request again.",
    ),
    "shutting_down": (
        "サーバーは終了処理中のため、新しいリクエストを受け付けません。",
        "The server is shutting down and takes no new requests.",
    ),
    "model_file_missing": (
        "モデル「{label}」のファイルが見つかりません: {file}。ファイルを戻すか、`hoshikage rm {label}` で登録を外してください。",
        "The file of model “{label}” is not there: {file}. Put it back, or drop the entry with `hoshikage rm {label}`.",
    ),
    "log_loading": ("モデル {label} を読み込みます: {file}", "Loading model {label}: {file}"),
    "log_loaded": (
        "モデル {label} を読み込みました（{ms:.0f} ms、コンテキスト {n_ctx} トークン、ライブラリ {version}）",
        "Model {label} is loaded ({ms:.0f} ms, context {n_ctx} tokens, library {version})",
    ),
    "log_load_failed": (
        "モデル {label} を読み込めませんでした: {reason}",
        "Model {label} could not be loaded: {reason}",
    ),
    "log_unloaded": (
        "モデル {label} を解放しました（{why}）。システムに戻ったメモリ: {mib:.0f} MiB",
        "Model {label} is unloaded ({why}). Memory returned to the system: {mib:.0f} MiB",
    ),
    "why_idle": ("待機時間を過ぎたため", "idle"),
    "why_switch": ("別のモデルに切り替えるため", "switching to another model"),
    "why_stop": ("サーバーの終了のため", "the server stops"),
    "log_crashed": (
        "モデル {label} のプロセスが落ちました: {reason}",
        "The process of model {label} crashed: {reason}",
    ),
}
