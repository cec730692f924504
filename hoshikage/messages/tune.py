"""Holds the texts of the tune area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "summary": ("モデルに合う設定を測って選ぶ", "measure which settings suit a model here, and store them"),
    "label": ("登録したモデル", "a registered model"),
    "budget": ("測るのにかけてよい秒数（既定: 120）", "seconds that it may take (default: 120)"),
    "kv": (
        "KV キャッシュの形式など、答えが変わる設定も選ぶ",
        "may also choose what changes answers: KV types, and others that do",
    ),
    "dry_run": ("測って見せるだけで、保存しない", "measure and show, and store nothing"),
    "reset": ("保存した選択を取り消す", "take back what was stored"),
    "not_registered": (
        "{label} は登録されていないため、選んだ設定を保存できません。先に `hoshikage add {file}` で登録してください。",
        "{label} is not registered, so that nothing can be stored for it. Register it first: `hoshikage add {file}`.",
    ),
    "was_reset": ("{label} の測って選んだ設定を取り消しました。", "What was chosen for {label} is taken back."),
    "had_none": ("{label} に測って選んだ設定はありません。", "Nothing was chosen for {label}."),
    "busy": (
        "サーバーが応答中です（実行中 {running}、待ち {waiting}）。静かなときに測ってください。",
        "The server is answering (running {running}, waiting {waiting}). Measure when it is quiet.",
    ),
    "no_time": (
        "{seconds} 秒では何も測れませんでした。`--budget` を増やしてください。",
        "Nothing could be measured within {seconds} s. Give it more with `--budget`.",
    ),
    "no_text": (
        "{file} は文を作らないモデルなので、測れません。",
        "{file} is no model that writes; there is nothing to measure.",
    ),
    "ended": ("測っていたプロセスが終わりました: {reason}", "The process that measured ended: {reason}"),
    "step_trials": (
        "{label} の設定を測っています（全部で {seconds} 秒まで）",
        "Measuring settings of {label} (up to {seconds} s in all)",
    ),
    "step_repack": (
        "{label} を、重みを並べ替えずに読み込んで測っています",
        "Measuring {label} without rearranged weights",
    ),
    "step_again": (
        "{label} を今のままの設定でもう一度測っています",
        "Measuring {label} once more as it is",
    ),
    "step_together": ("{label} の選んだ設定をまとめて測っています", "Measuring all that was chosen for {label}"),
    "col_setting": ("設定", "Setting"),
    "col_generation": ("生成 tok/s", "answer tok/s"),
    "col_together": ("{n} 本同時 tok/s", "{n} at once tok/s"),
    "col_prompt": ("プロンプト tok/s", "prompt tok/s"),
    "col_load": ("読み込み 秒", "load s"),
    "col_memory": ("メモリ", "memory"),
    "col_answer": ("答え", "answer"),
    "as_it_is": ("今のまま（{threads} スレッド）", "as it is (threads: {threads})"),
    "all_together": ("選んだ設定をまとめて", "all that was chosen"),
    "same": ("同じ", "the same"),
    "differs": ("変わる", "differs"),
    "cannot": ("使えません", "not possible"),
    "not_reached": ("時間切れ", "no time left"),
    "why_nothing": (
        "今の設定より {percent} % 以上よいものはありません。",
        "Nothing is better than what there is by {percent} % or more.",
    ),
    "why_few": (
        "時間が足りず、くり返して測れませんでした。一度だけの値からは選びません。`--budget` を増やしてください。",
        "There was no time to measure more than once, and nothing is chosen by that. Give it more with `--budget`.",
    ),
    "why_noisy": (
        "同じ設定を測り直した値が {percent} % も違います。ほかのプログラムが計算しているようなので、何も選びません。"
        "静かなときに測り直すか、`--budget` を増やしてください。",
        "Measurements of the very same setting differ by {percent} %: other programs seem to compute, so that nothing "
        "is chosen. Measure again when it is quiet, or give it more time with `--budget`.",
    ),
    "why_answer": (
        "{setting}: 応答の時間が {percent} % 短くなります。",
        "{setting}: answers take {percent} % less time.",
    ),
    "why_prompt": (
        "{setting}: プロンプトの時間が {percent} % 短くなります。",
        "{setting}: prompts take {percent} % less time.",
    ),
    "why_use": (
        "{setting}: 一回の利用（読み込み、512 トークンのプロンプト、256 トークンの応答）が {percent} % 短くなります。",
        "{setting}: a use (a load, a prompt of 512 tokens, an answer of 256) takes {percent} % less time.",
    ),
    "why_kv": (
        "{setting}: {percent} % 短くなりますが、KV キャッシュの形式は答えを変えるため選びません（`--kv` で選びます）。",
        "{setting}: {percent} % less time, but KV types change answers; not chosen without `--kv`.",
    ),
    "why_differs": (
        "{setting}: {percent} % 短くなりますが、答えが変わるため選びません（`--kv` で選びます）。",
        "{setting}: {percent} % less time, but answers differ; not chosen without `--kv`.",
    ),
    "why_alone": (
        "まとめても一つのときよりよくならないため、{setting} だけにします。",
        "All together is no better than the best alone: only {setting} stays.",
    ),
    "why_busy": (
        "このマシンではほかのプログラムも計算中です。値が不確かなため保存せず、スレッド数は測っていません。"
        "静かなときに測り直してください。",
        "Other programs compute on this machine, too: figures are uncertain, so that nothing is stored, and threads "
        "were not measured. Measure again when it is quiet.",
    ),
    "why_yours": (
        "自分で決めた設定はそのままです: {names}",
        "What you set yourself, or what depends on it, stays as it is: {names}",
    ),
    "stored": (
        "{label} に保存しました: {setting}（ライブラリ {library} とこのマシンで有効）",
        "Stored for {label}: {setting} (holds with library {library} on this machine)",
    ),
    "not_stored": ("保存していません: {setting}", "Not stored: {setting}"),
    "chosen_for": (
        "{label}: {setting}（`hoshikage tune` がライブラリ {release} で選択）",
        "{label}: {setting} (chosen by `hoshikage tune` with library {release})",
    ),
}
