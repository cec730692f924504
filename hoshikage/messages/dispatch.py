"""Holds the texts of the dispatch area: key -> (Japanese, English)."""

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
        "モデルを動かしているプロセスが途中で異常終了しました（{reason}）。サーバーは動き続けています。もう一度送ってください。",
        "The process running the model ended unexpectedly ({reason}). The server goes on; send the request again.",
    ),
    "quarantined": (
        "モデル「{label}」は続けて {crashes} 回異常終了したため、しばらく止めています。"
        "モデルのファイルかライブラリを替えるか、時間をおいてから送ってください。",
        "Model “{label}” crashed {crashes} times in a row and rests for a while. Change its file or the library, or "
        "send the request again later.",
    ),
    "request_refused": (
        "このリクエストはモデルのプロセスを異常終了させました。{minutes} 分間は同じ内容を受け付けません。"
        "内容を変えるか、時間をおいて送ってください。",
        "This request ended the model's process. The same one is refused for {minutes} minutes. Change the request, "
        "or send it again later.",
    ),
    "caller_refused": (
        "あなたのリクエストはモデルのプロセスを続けて異常終了させました。文法（grammar）やスキーマのあるリクエストは "
        "{seconds} 秒後に送ってください。",
        "Requests of yours ended the model's process again and again. Send ones with a grammar or a schema in "
        "{seconds} s.",
    ),
    "load_called_off": (
        "モデル「{label}」の読み込みが途中で取り消されました。もう一度送ってください。",
        "Loading model “{label}” was called off. Send the request again.",
    ),
    "unloaded": (
        "モデル「{label}」はアンロードされました。もう一度送ってください。",
        "Model “{label}” was unloaded. Send the request again.",
    ),
    "no_process": (
        "モデルを動かすプロセスを始められません: {reason}。メモリとプロセス数の上限を確かめてください。",
        "The process for the model cannot be started: {reason}. Check memory and the limit on processes.",
    ),
    "busy": (
        "モデル「{label}」は使用中です。終わってからアンロードしてください。",
        "Model “{label}” is in use. Unload it when its requests are done.",
    ),
    "crashed_loading": (
        "モデルを読み込むプロセスが途中で異常終了しました（{reason}）。サーバーは動き続けています。"
        "モデルのファイルが壊れているか、このライブラリが扱えないモデルの可能性があります。",
        "The process loading the model ended unexpectedly ({reason}). The server goes on. "
        "The model file may be damaged, or this library may not know such a model.",
    ),
    "shutting_down": (
        "サーバーは終了処理中のため、新しいリクエストを受け付けません。サーバーをもう一度起動してから送ってください。",
        "The server is shutting down and takes no new requests. Send the request again when the server is back.",
    ),
    "model_file_missing": (
        "モデル「{label}」のファイルが見つかりません: {file}。"
        "ファイルを戻すか、`hoshikage rm {label}` で登録を外してください。",
        "The file of model “{label}” is not there: {file}. Put it back, or drop the entry with `hoshikage rm {label}`.",
    ),
    "projector_missing": (
        "モデル「{label}」の画像や音声を読む部品（{flag}）のファイルが見つかりません: {file}。ファイルを戻すか、"
        '`hoshikage add "{model}" {label} {flag} ""` で部品を外すか、`hoshikage rm {label}` で登録を外してください。',
        "The projector ({flag}) of model “{label}” is not there: {file}. Put it back, take it away with "
        '`hoshikage add "{model}" {label} {flag} ""`, or drop the entry with `hoshikage rm {label}`.',
    ),
    "companion_missing": (
        "モデル「{label}」に付けたファイル（{flag}）が見つかりません: {file}。ファイルを戻すか、"
        "`hoshikage rm {label}` で登録を外し、このファイルなしで `hoshikage add` で登録し直してください。",
        "A file that model “{label}” was given ({flag}) is not there: {file}. Put it back, or drop the entry with "
        "`hoshikage rm {label}` and register the model again without it (`hoshikage add`).",
    ),
    "log_kv_damaged": (
        "しまっておいた会話のファイルが壊れていたため、使わずに消しました: {file}",
        "A stored conversation's file was damaged; it is not used, and removed: {file}",
    ),
    "log_kv_open": (
        "{folder} にはほかのユーザーも書き込めるため、会話をしまわず、そこからも読みません。`chmod 700` "
        "で自分だけのものにして、起動し直してください",
        "Others may write to {folder}: no conversation is stored there, and none is read. Make it yours alone with "
        "`chmod 700`, and start again",
    ),
    "log_kv_link": (
        "{folder} はリンクです。会話は {target} にしまいます",
        "{folder} is a link: conversations are stored in {target}",
    ),
    "log_loading": ("モデル {label} を読み込みます: {file}", "Loading model {label}: {file}"),
    "log_loaded": (
        "モデル {label} を読み込みました（{ms:.0f} ms、コンテキスト {n_ctx} トークン、ライブラリ {version}）",
        "Model {label} is loaded ({ms:.0f} ms, context {n_ctx} tokens, library {version})",
    ),
    "log_busy": (
        "このマシンではほかのプログラムも計算中です。{threads} スレッドで計算します。遅いときは N_THREADS "
        "を減らしてください",
        "Other programs compute on this machine, too (threads of this one: {threads}). If it is slow, lower N_THREADS",
    ),
    "log_no_text": (
        "モデル {label} は {purposes} のためのもので、会話はできません",
        "Model {label} is for {purposes} and cannot chat",
    ),
    "log_load_failed": (
        "モデル {label} を読み込めませんでした: {reason}",
        "Model {label} could not be loaded: {reason}",
    ),
    "log_progress": ("モデル {label} を読み込み中: {percent:.0f}%", "Loading model {label}: {percent:.0f}%"),
    "log_fewer_layers": (
        "モデル {label} を {layers} 層 GPU に載せると計算のメモリが足りません。層を減らして読み込みます。",
        "With {layers} layers of model {label} on the GPU there is no memory left to compute. Loading it with fewer.",
    ),
    "log_unloaded": (
        "モデル {label} をアンロードしました（{why}、{ms:.0f} ms）。"
        "システムに戻ったメモリ: {mib:.0f} MiB、VRAM: {vram_mib:.0f} MiB",
        "Model {label} is unloaded ({why}, {ms:.0f} ms). "
        "Returned to the system: {mib:.0f} MiB, VRAM: {vram_mib:.0f} MiB",
    ),
    "why_asked": ("依頼されたため", "asked for"),
    "why_idle": ("待機時間を過ぎたため", "idle"),
    "no_room": (
        "モデル「{label}」のメモリが足りません（必要 {needed:.0f} MiB、空き {free:.0f} MiB）。"
        "読み込み済みの {loaded} が使用中です。終わるのを待つか、アンロードしてから送ってください。",
        "There is not enough memory for model “{label}” (needs {needed:.0f} MiB, {free:.0f} MiB are free): {loaded} "
        "is loaded and in use. Wait until it is done, or unload it, and send the request again.",
    ),
    "pinned": (
        "モデル「{label}」を読み込む場所がありません。{pinned} が固定（pin）されています。"
        "`hoshikage add パス ラベル --no-pin` で固定を外すか、`hoshikage unload ラベル` でアンロードするか、"
        "MAX_MODELS を増やしてください。",
        "There is no place for model “{label}”: {pinned} is pinned. Unpin it with `hoshikage add PATH LABEL --no-pin`, "
        "unload it with `hoshikage unload LABEL`, or raise MAX_MODELS.",
    ),
    "why_room": ("別のモデルにメモリを譲るため", "making room for another model"),
    "why_switch": ("別のモデルに切り替えるため", "switching to another model"),
    "why_stop": ("サーバーの終了のため", "the server stops"),
    "log_crashed": (
        "モデル {label} のプロセスが異常終了しました: {reason}",
        "The process of model {label} crashed: {reason}",
    ),
    # RAM disk
    "ramdisk_copied": (
        "モデルをメモリ上の {file} にコピーしました（{mib:.0f} MiB、{ms:.0f} ms）。次からはここから読み込みます",
        "The model is copied into memory as {file} ({mib:.0f} MiB, {ms:.0f} ms); later loads take it from there",
    ),
    "ramdisk_reused": (
        "メモリ上にあるコピー {file} から読み込みます（{mib:.0f} MiB、{ms:.0f} ms で確認）",
        "The model is loaded from its copy in memory, {file} ({mib:.0f} MiB, checked in {ms:.0f} ms)",
    ),
    "ramdisk_released": (
        "メモリ上のモデルのコピーを消しました。システムに戻ったメモリ: {mib:.0f} MiB",
        "The model's copy in memory is removed. Memory returned to the system: {mib:.0f} MiB",
    ),
    "ramdisk_no_room": (
        "{folder} にはモデルをコピーする空きがありません（必要 {mib:.0f} MiB と余裕、空き {free:.0f} MiB）。"
        "ディスクから読み込みます",
        "{folder} has no room for a copy of the model (needs {mib:.0f} MiB and some to spare, free {free:.0f} MiB); "
        "it is loaded from the disk",
    ),
    "ramdisk_limit": (
        "モデルのコピー（{mib:.0f} MiB）は RAMDISK_SIZE（{maximum:.0f} MiB）に収まりません。ディスクから読み込みます",
        "a copy of the model ({mib:.0f} MiB) would take more than RAMDISK_SIZE ({maximum:.0f} MiB); "
        "it is loaded from the disk",
    ),
    "ramdisk_no_memory": (
        "モデルのコピー（{mib:.0f} MiB）を置くにはメモリの余裕が足りません（使えるのは {free:.0f} MiB）。"
        "ディスクから読み込みます",
        "Memory is too short to keep a copy of the model ({mib:.0f} MiB) beside the model itself ({free:.0f} MiB are "
        "available); it is loaded from the disk",
    ),
    "ramdisk_unsafe": (
        "{folder} はほかのユーザーに触られるおそれがあるため、代わりにディスクを使います。自分だけのフォルダー"
        "（所有者が自分、権限 700）かどうか確かめてください",
        "{folder} may be open to other users, so the disk is used instead. Check that it is a folder of yours alone "
        "(your own, mode 700)",
    ),
    "ramdisk_busy": (
        "{folder} は別の星影サーバーが使っているため、代わりにディスクを使います",
        "{folder} is in use by another Hoshikage server; the disk is used instead",
    ),
    "ramdisk_changed": (
        "コピーしている間に {file} が変わりました。ディスクから読み込みます",
        "{file} changed while it was being copied; it is loaded from the disk",
    ),
    "ramdisk_failed": (
        "RAM ディスク {folder} を使えなかったため、代わりにディスクを使います（{reason}）",
        "The RAM disk {folder} could not be used ({reason}); the disk is used instead",
    ),
}
