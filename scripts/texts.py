"""Holds what the scripts say: key -> (Japanese, English). They run before the package is installed and are no part of
it."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # shared
    "error": ("エラー: {reason}", "Error: {reason}"),
    "interrupted": ("中断しました。", "Interrupted."),
    "step_done": ("できました（{seconds:.1f} 秒）", "Done ({seconds:.1f} s)"),
    "step_ready": ("すでにできています（{seconds:.1f} 秒）", "Already there ({seconds:.1f} s)"),
    "python_too_old": (
        "Python 3.10 以上が必要です（いまは {found}）。python3.10 などで実行し直してください。",
        "Python 3.10 or newer is needed (this is {found}). Run it again with python3.10 or a newer one.",
    ),
    "no_ensurepip": (
        "この Python には仮想環境を作る部品（ensurepip）がありません。Debian や Ubuntu では "
        "`sudo apt install python3-venv` で入ります。",
        "This Python lacks what makes virtual environments (ensurepip). On Debian and Ubuntu, "
        "`sudo apt install python3-venv` brings it.",
    ),
    "venv_in_the_way": (
        "{path} がありますが、使える仮想環境ではありません。別の名前に移すか消してから、もう一度実行してください。",
        "{path} exists, but is no usable virtual environment. Move or remove it and run this again.",
    ),
    "venv_failed": ("仮想環境を作れませんでした。\n{output}", "The virtual environment could not be made.\n{output}"),
    "pip_failed": (
        "pip が失敗しました（終了コード {status}）。ネットワークとディスクの空きを確かめて、もう一度実行してください。"
        "\n{output}",
        "pip failed (exit status {status}). Check the network and the free disk space, then run this again.\n{output}",
    ),
    # quickstart
    "quickstart_about": (
        "新しいクローンから最初の会話まで、ひととおり用意して動かします。",
        "Sets everything up, from a fresh clone to the first chat.",
    ),
    "quickstart_check_help": (
        "会話を 1 回して終わる（終了コード 0 = すべて成功）",
        "stop after the chat (exit status 0 = all went well)",
    ),
    "quickstart_environment": ("Python の仮想環境とパッケージ（.venv）", "Python environment and package (.venv)"),
    "quickstart_library": ("ライブラリ libllama", "The libllama library"),
    "quickstart_library_found": ("使うもの: {path}", "Using {path}"),
    "quickstart_library_bad": (
        "入っている libllama は使えません。{reason}\n入れ直すには: {command}",
        "The libllama that is there cannot be used. {reason}\nTo install another: {command}",
    ),
    "quickstart_library_replaced": (
        "システムの libllama は使えないため、設定フォルダーに別のものを入れます。{reason}",
        "The system's libllama cannot be used, so another goes into the config folder. {reason}",
    ),
    "quickstart_model": ("内蔵モデル {label} の登録", "Registering the built-in model {label}"),
    "quickstart_no_model": (
        "内蔵モデルのファイルがありません: {path}",
        "The built-in model's file is not there: {path}",
    ),
    "quickstart_server": ("サーバーの起動", "Starting the server"),
    "quickstart_port_hoshikage": (
        "ポート {port} では別の星影（{version}）がすでに動いています。それには触らず、ポート {other} を使います。",
        "Another Hoshikage ({version}) already serves on port {port}. It is left alone; this one uses port {other}.",
    ),
    "quickstart_port_busy": (
        "ポート {port} は別のプログラムが使っています。ポート {other} を使います。",
        "Another program uses port {port}. This one uses port {other}.",
    ),
    "quickstart_serving": ("待ち受けています: {url}", "Listening on {url}"),
    "quickstart_chat": ("会話", "A chat"),
    "quickstart_you": ("あなた", "You"),
    "quickstart_figures": (
        "{tokens} トークン、最初の文字まで {first:.3f} 秒、全部で {total:.3f} 秒",
        "{tokens} tokens, first text after {first:.3f} s, {total:.3f} s in all",
    ),
    "quickstart_empty_answer": ("モデルが何も答えませんでした。", "The model gave an empty answer."),
    "quickstart_log": ("サーバーのログ:\n{output}", "The server's log:\n{output}"),
    "quickstart_checked": ("確認できました。すべて動いています。", "Checked: everything works."),
    "quickstart_ended": ("サーバーを終了しました。", "The server has ended."),
    "quickstart_next": (
        """\
つづけて使うには（別の端末で）:

  curl
    curl {base}/v1/chat/completions -H 'Content-Type: application/json' \\
      -d '{{"model": "{label}", "stream": true, "messages": [{{"role": "user", "content": "こんにちは"}}]}}'

  OpenAI SDK（pip install openai）
    from openai import OpenAI
    client = OpenAI(base_url="{base}/v1", api_key="unused")
    answer = client.chat.completions.create(
        model="{label}", messages=[{{"role": "user", "content": "こんにちは"}}])
    print(answer.choices[0].message.content)

  自分の GGUF モデル
    {command} add /path/to/model.gguf my-model
    {command} chat my-model

  ほかのコマンド: {command} --help    環境の診断: {command} doctor

止めるには Ctrl-C。次からは {command} だけで起動します。""",
        """\
How to go on (in another terminal):

  curl
    curl {base}/v1/chat/completions -H 'Content-Type: application/json' \\
      -d '{{"model": "{label}", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

  OpenAI SDK (pip install openai)
    from openai import OpenAI
    client = OpenAI(base_url="{base}/v1", api_key="unused")
    answer = client.chat.completions.create(
        model="{label}", messages=[{{"role": "user", "content": "Hello"}}])
    print(answer.choices[0].message.content)

  Your own GGUF model
    {command} add /path/to/model.gguf my-model
    {command} chat my-model

  Other commands: {command} --help    Check this installation: {command} doctor

Ctrl-C stops the server. From now on, {command} alone starts it.""",
    ),
    # the server as a child
    "command_failed": (
        "`{command}` が失敗しました（終了コード {status}）。\n{output}",
        "`{command}` failed (exit status {status}).\n{output}",
    ),
    "server_ended": (
        "サーバーが起動の途中で終わりました（終了コード {status}）。\n{output}",
        "The server ended while it started (exit status {status}).\n{output}",
    ),
    "server_silent": (
        "サーバーが {seconds:.0f} 秒以内に応答しませんでした。\n{output}",
        "The server did not answer within {seconds:.0f} s.\n{output}",
    ),
    "server_gone": (
        "サーバーが終わりました（終了コード {status}）。\n{output}",
        "The server has ended (exit status {status}).\n{output}",
    ),
    "chat_refused": (
        "サーバーが会話を断りました（HTTP {status}）: {message}",
        "The server refused the chat (HTTP {status}): {message}",
    ),
    "chat_cut": ("会話の途中で接続が切れました。{reason}", "The connection broke during the chat. {reason}"),
    # freeze
    "freeze_about": (
        "プログラムの応答を一字一句記録し、後の応答と比べます。動作を変えないはずの変更を確かめるためのものです。",
        "Records what the program answers, byte for byte, and compares it with later answers.",
    ),
    "freeze_what_help": ("記録するか、記録と比べるか", "whether to record, or to compare with a record"),
    "freeze_folder_help": ("記録のフォルダー", "the folder of the record"),
    "freeze_only_help": ("この部分だけ（何度でも指定できます）", "this part alone (may be given more than once)"),
    "freeze_part": ("記録: {part}", "Recording: {part}"),
    "freeze_recorded": ("{count} ファイルを {folder} に記録しました。", "Recorded {count} files in {folder}."),
    "freeze_nothing": ("記録がありません: {folder}", "There is no record: {folder}"),
    "freeze_more": ("（ほかに {count} 行）", "({count} more lines)"),
    "freeze_same": ("{count} ファイルすべてが同じです。", "All {count} files are the same."),
    "freeze_differs": ("{count} ファイルが違います。", "{count} files differ."),
    # test
    "test_about": (
        "テストに要るものを用意して、検査とテストを実行します。ほかの引数は pytest に渡します。",
        "Brings what the tests need, then runs the linters and the tests. Other arguments go to pytest.",
    ),
    "test_unit_help": (
        "ライブラリもプロセスも使わないテスト（1 分半ほど、何も指定しないときはこれ）",
        "tests without a library or a process: about a minute and a half, and what runs where no lane is named",
    ),
    "test_full_help": (
        "本物の libllama とプロセスでのテスト（下の別レーンのものを除く、すべて）",
        "all tests but those of the lanes below, with real libraries and processes",
    ),
    "test_fast_help": ("ruff と mypy を省く", "leave out ruff and mypy"),
    "test_nightly_help": (
        "--full と同じテスト。偶然に任せるものは長く行う",
        "the tests of --full; those that go by chance run long",
    ),
    "test_models_help": (
        "本物のモデルのテスト（約 500 MB を取りに行く）",
        "tests with real models (about 500 MB are fetched)",
    ),
    "test_clients_help": (
        "npm と PyPI の本物のクライアントで、ツールを使う会話を通しで行う",
        "whole sessions with a tool of real clients from npm and PyPI",
    ),
    "test_page_help": (
        "ブラウザーのページ（本物の Chromium と Prometheus で。なければ apt-get と npm で入れる）",
        "the page in a real Chromium, and the real Prometheus; apt-get and npm bring what is missing",
    ),
    "test_rpc_help": (
        "ggml の RPC で 2 つのプロセスがモデルを分ける（バックエンドを PyPI のソースからコンパイルする）",
        "two processes share a model by ggml's RPC; its backend is compiled from sources on PyPI",
    ),
    "test_ray_help": (
        "このマシンの 3 ノードの Ray クラスターで（ray[serve] を入れる。500 MB ほど）",
        "on a Ray cluster of three nodes on this machine (installs ray[serve], some 500 MB)",
    ),
    "release_about": (
        "最後のコミットから wheel を作り、空のホームに pip と uv で入れて動かす",
        "build the wheels of the last commit, install them by pip and uv in an empty home, and run them",
    ),
    "release_library_help": (
        "libllama のファイル。指定すると、入れたサーバーが回答を 1 つ返すまで確かめる",
        "a libllama; with it, what was installed also serves an answer",
    ),
    "release_pythons_help": (
        "試す Python（指定しなければ、PATH にある 3.10〜3.14）",
        "interpreters to try; without any, those of 3.10 to 3.14 on PATH",
    ),
    "release_no_python": (
        "試す Python が PATH にありません（{names}）。",
        "There is no Python on PATH to try ({names}).",
    ),
    "release_uncommitted": (
        "コミットしていない変更は、wheel に入りません。",
        "Changes that are not committed are not in the wheels.",
    ),
    "release_build": ("wheel を作る", "Building the wheels"),
    "release_try": ("{python} で入れて動かす", "Installing and running it with {python}"),
    "release_tag": (
        "タグ {tag} は、パッケージのバージョン {version} と違います。",
        "The tag {tag} is not the package's version {version}.",
    ),
    "release_changelog": (
        "CHANGELOG.md に、日付のある {version} の節がありません。",
        "CHANGELOG.md has no section {version} with a date.",
    ),
    "release_differs": (
        "入れたものが {version} として動きません。答えたバージョンは {said}、回答は「{answer}」でした。",
        "What was installed does not run as {version}: it said {said}, and answered “{answer}”.",
    ),
    "test_matrix_help": (
        "すべてのリリースの libllama も確かめる（--full を含む）",
        "examine every release of libllama too (implies --full)",
    ),
    "test_matrix": (
        "すべてのリリースの libllama を確かめる（{count} つ）",
        "Examining every release of libllama ({count})",
    ),
    "test_matrix_failed": ("合わないリリースがありました。", "A release does not agree."),
    "test_environment": ("Python の仮想環境とテストの道具（.venv）", "Python environment and test tools (.venv)"),
    "test_libraries": ("テスト用の libllama（{count} つのリリース）", "libllama for the tests ({count} releases)"),
    "test_libraries_given": (
        "{variable} のフォルダーを使います: {path}",
        "Using the folder that {variable} names: {path}",
    ),
    "test_library": ("{release}（{package} {version}）", "{release} ({package} {version})"),
    "test_no_npm": (
        "テスト用の libllama を取り寄せる npm がありません。npm を入れるか、{variable} に用意したフォルダー"
        "（{layout}）を指定してください。",
        "There is no npm to bring the libllama releases for the tests. Install npm, or name a folder that has them "
        "in {variable} ({layout}).",
    ),
    "test_no_build": (
        "このシステム（{machine}）用の libllama は表にありません。{variable} に用意したフォルダー（{layout}）を"
        "指定してください。",
        "The table has no libllama for this system ({machine}). Name a folder that has them in {variable} ({layout}).",
    ),
    "test_tool": ("検査: {tool}", "Checking: {tool}"),
    "test_tool_failed": ("{tool} が問題を見つけました。", "{tool} found something."),
    # models
    "models_about": (
        "本物のモデルを本物のリリースで動かし、素のループと比べる",
        "run real models over real releases, and compare with a bare loop",
    ),
    "models_equality_help": (
        "答えがどれだけ同じになるかを測る（何時間もかかる）",
        "measure how often answers are equal (takes hours)",
    ),
    "models_done": ("{count} のうち {good} が正しく動きました。", "{good} of {count} are right."),
    "models_other": ("{name} の中身が違います。", "{name} is not what it should be."),
    "models_died": ("{release} で失敗しました: {reason}", "{release} failed: {reason}"),
    # stress
    "stress_about": (
        "エンジンのストレス試験を、答えが十分な数になるまで続け、数を足し込みます。",
        "Goes on with the engine's stress until its answers are many, and adds up what it counts.",
    ),
    "stress_answers_help": ("リリースごとの答えの数（既定 4000）", "answers of each release (default 4000)"),
    "stress_seed_help": ("最初の種（続きでは 1 つずつ進みます）", "first seed; what goes on counts on"),
    "stress_write_help": ("docs/RELIABILITY の表を書き直す", "write the table in docs/RELIABILITY"),
    "stress_died": (
        "{kind}、種 {seed}、{library} で異常終了しました: {reason}",
        "{kind} with seed {seed} and {library} died: {reason}",
    ),
    "stress_done": ("答え {answers}、誤り {wrong}", "{answers} answers, {wrong} wrong"),
    # matrix
    "matrix_about": (
        "すべての版の libllama を、それぞれ別のプロセスで確かめます。",
        "Examines every release of libllama, each in its own process.",
    ),
    "matrix_write_help": ("docs/LIBRARIES の表を書き直す", "write the table in docs/LIBRARIES"),
    "matrix_done": ("{count} のうち {good} が使えます。", "{good} of {count} releases are usable."),
    "matrix_hidden": (
        "新しい 3 つの配置を隠した {count} の版のうち、{good} は動作から正しく割り出せました（誤り {wrong}）。",
        "Of {count} releases with the newest three layouts hidden, {good} were calibrated rightly ({wrong} wrongly).",
    ),
    "matrix_no_model": (
        "内蔵モデルがありません。`pip install ./demo` で入れてください。",
        "The built-in model is missing: `pip install ./demo`.",
    ),
    "matrix_no_file": ("{path} に {release} がありません。", "{path} has no {release}."),
    # abi_layouts
    "abi_header_help": ("llama.h の場所", "path of a llama.h"),
    "abi_release_help": ("ヘッダーの版（例: b12345）", "the header's release (b12345)"),
    "abi_library_help": (
        "同じ版の libllama（新しいフィールドの既定値を読む）",
        "libllama of that release, for the defaults of new fields",
    ),
    "abi_include_help": ("ggml のヘッダーのフォルダー", "a folder with ggml's headers"),
    "abi_check_help": ("表と比べるだけで、書き換えない", "only compare with the table"),
    "abi_known": ("{struct}: {layout}（表にあります）", "{struct}: {layout}, in the table"),
    "abi_new": ("{struct}: 表にない配置です。{difference}", "{struct}: not in the table. {difference}"),
    "abi_written": ("表を書きました: {file}", "Wrote the table: {file}"),
    "abi_release_needed": ("--release で版を指定してください。", "Name the release with --release."),
    "abi_library_needed": (
        "新しいフィールド {field} の既定値を知るため、その版の libllama を --library で指定してください。",
        "The field {field} is new: name that release's libllama with --library, to learn its default.",
    ),
    "abi_no_struct": ("{struct} が見つかりません。", "There is no {struct}."),
    "abi_not_compiled": (
        "{header} をコンパイルできませんでした。\n{output}",
        "{header} could not be compiled.\n{output}",
    ),
    # bench
    "bench_about": (
        "同じライブラリとモデルで、素のループとサーバーを交互に測ります。",
        "Measures a bare loop and the server over the same library and model, by turns.",
    ),
    "bench_quick_help": ("回数を減らして早く終える", "fewer rounds"),
    "bench_rounds_help": ("測る回数（既定: 7）", "how often everything is measured (default: 7)"),
    "bench_library_help": (
        "測るライブラリ（既定: サーバーが使うもの）",
        "the library to measure with (default: what the server would take)",
    ),
    "bench_here_help": (
        "この Python のまま測る（何もインストールしない）",
        "measure with this Python as it is (nothing is installed)",
    ),
    "bench_json_help": ("結果を JSON で書き出す", "write the result as JSON"),
    "bench_markdown_help": ("結果の表を書き出す", "write the tables"),
    "bench_show_help": ("前に書き出した JSON を表にするだけで、測らない", "only show a former run's JSON as tables"),
    "bench_unknown_model": (
        "「{name}」というモデルは測れません。使える名前: {allowed}",
        "There is no model “{name}” to measure. Allowed: {allowed}",
    ),
    "bench_model": ("{name} を {rounds} 回ずつ", "{name}, {rounds} rounds"),
    "bench_starts": ("起動から最初の応答まで、{times} 回", "From start to the first answer, {times} times"),
    "bench_no_unload": (
        "モデルが {seconds:.0f} 秒以内にアンロードされませんでした。",
        "The model was not unloaded within {seconds:.0f} s.",
    ),
    "bench_texts_differ": (
        "{way} の答えだけがほかと違います。同じ仕事を測れていないので中止しました。",
        "The answer of {way} differs from the others', so the work is not the same. Stopped.",
    ),
    "bench_section": ("{name}（{rounds} 回ずつ）", "{name}, {rounds} rounds"),
    "bench_section_head": ("| 方法 | 中央値（最小–最大） | 単位 |", "| Way | Median (least–most) | Unit |"),
    "bench_prompts_title": ("プロンプトの長さと最初の文字まで（small）", "First text by length of the prompt (small)"),
    "bench_peers_title": ("llama-server との比較、1 本のストリーム", "One stream beside llama-server"),
    "bench_clients_title": ("同時の利用者（small、48 トークンずつ）", "Clients at once (small, 48 tokens each)"),
    "bench_second_turn_title": (
        "会話の 2 ターン目の最初の文字まで（small、約 1,500 トークン）",
        "First text of a chat's second turn (small, about 1,500 tokens)",
    ),
    "bench_checkpoints_title": (
        "状態や窓を持つモデルの、会話の 2 ターン目の最初の文字まで",
        "First text of a chat's second turn, models that keep a state or a window",
    ),
    "bench_put_away_title": (
        "アンロードのあとで続く会話の最初の文字まで（small、約 3,000 トークン、読み込みを含む）",
        "First text of a conversation that goes on after an unload (small, about 3,000 tokens, load included)",
    ),
    "bench_guesses_title": (
        "先読み（chain: 費用は small と同じ）",
        "Guessing ahead (chain, which costs what small costs)",
    ),
    "bench_structured_title": ("JSON スキーマ付きの応答（small）", "Answers under a JSON schema (small)"),
    "bench_ramdisk_title": (
        "RAM ディスク、未読み込みから最初の文字まで（small）",
        "RAM disk, from unloaded to the first text (small)",
    ),
    "bench_row_ram_disk_cold": (
        "RAM ディスクなし、ページキャッシュなし",
        "no RAM disk, page cache cold",
    ),
    "bench_row_ram_disk_warm": ("RAM ディスクなし、ページキャッシュあり", "no RAM disk, page cache warm"),
    "bench_row_ram_first_cold": (
        "RAM ディスクの初回、ページキャッシュなし",
        "first load with the RAM disk, page cache cold",
    ),
    "bench_row_ram_first_warm": (
        "RAM ディスクの初回、ページキャッシュあり",
        "first load with the RAM disk, page cache warm",
    ),
    "bench_row_ram_copy": (
        "2 回目以降、写しから、ページキャッシュなし",
        "later load from the copy, page cache cold",
    ),
    "bench_no_copy": (
        "{seconds:.0f} 秒以内に RAM ディスクの写しができませんでした。",
        "There was no copy on the RAM disk within {seconds:.0f} s.",
    ),
    "bench_sleep_title": ("眠りと目覚め", "Sleeping and waking"),
    "bench_row_asleep": ("眠っているときのメモリ", "memory asleep"),
    "bench_row_asleep_health": ("眠ったままの /health", "/health, asleep"),
    "bench_row_woken": ("目を覚まさせた /v1/models", "/v1/models that wakes it"),
    "bench_row_awake": ("起きているときの /v1/models", "/v1/models, awake"),
    "bench_row_waking": ("目覚めの分", "what waking adds"),
    "bench_no_sleep": (
        "サーバーが {seconds:.0f} 秒たっても眠りません。",
        "The server does not go to sleep within {seconds:.0f} s.",
    ),
    "bench_switches_title": ("モデルの切り替え", "Switching models"),
    "bench_row_bare": ("素のループ {what}", "bare loop {what}"),
    "bench_row_limit": ("素のループ、系列をまとめて、{what}", "bare loop, sequences together, {what}"),
    "bench_row_first_limit": ("プロンプト、素のループ、{what}", "prompts, bare loop, {what}"),
    "bench_row_own": ("星影 {what}", "Hoshikage {what}"),
    "bench_row_one": ("星影、N_PARALLEL=1、{what}", "Hoshikage, N_PARALLEL=1, {what}"),
    "bench_row_llama_server": ("llama-server（別のビルド）{what}", "llama-server (a build of its own) {what}"),
    "bench_row_gap_own": ("トークン間隔の 99 % 点、星影 {what}", "99th percentile between tokens, Hoshikage {what}"),
    "bench_row_gap_other": (
        "トークン間隔の 99 % 点、llama-server {what}",
        "99th percentile between tokens, llama-server {what}",
    ),
    "bench_row_first_bare": ("最初の文字、素のループ {what}", "first text, bare loop {what}"),
    "bench_row_first_own": ("最初の文字、星影 {what}", "first text, Hoshikage {what}"),
    "bench_row_first_one": ("最初の文字、星影 N_PARALLEL=1、{what}", "first text, Hoshikage N_PARALLEL=1, {what}"),
    "bench_row_first_llama_server": ("最初の文字、llama-server {what}", "first text, llama-server {what}"),
    "bench_row_turn_anew": ("毎回先頭から計算", "computed from the beginning"),
    "bench_row_turn_kept": ("KV_REUSE=prefix", "KV_REUSE=prefix"),
    "bench_row_turn_llama": ("llama-server", "llama-server"),
    "bench_row_state_anew": ("{what}、毎回先頭から計算", "{what}, computed from the beginning"),
    "bench_row_state_kept": ("{what}、KV_REUSE=prefix", "{what}, KV_REUSE=prefix"),
    "bench_row_put_away_off": ("KV_STORE=off、計算し直し", "KV_STORE=off, computed anew"),
    "bench_row_put_away_memory": ("KV_STORE=memory", "KV_STORE=memory"),
    "bench_row_put_away_disk": ("KV_STORE=disk", "KV_STORE=disk"),
    "bench_row_put_away_end_off": (
        "off、応答からアンロードまで（IDLE_TIMEOUT=0.2 を含む）",
        "off, from the answer until it is unloaded (IDLE_TIMEOUT=0.2 included)",
    ),
    "bench_row_put_away_end_memory": ("memory、同じ", "memory, the same"),
    "bench_row_put_away_end_disk": ("disk、同じ", "disk, the same"),
    "bench_row_lookup": ("SPECULATION=lookup、{what}", "SPECULATION=lookup, {what}"),
    "bench_row_draft": ("下書きモデル、{what}", "draft model, {what}"),
    "bench_row_schema": ("星影、スキーマ付き", "Hoshikage, under a schema"),
    "bench_row_switch": ("{what} へ切り替え、応答まで", "switch to {what}, until it answers"),
    "bench_row_bare_load": ("{what}、素の読み込み", "{what}, bare load"),
    "bench_row_switch_over": ("{what}、素の読み込みを超えた分", "{what}, over the bare load"),
    "bench_targets_head": (
        "| 目標 | 値 | 測定、中央値（最小–最大） | 達成 |",
        "| Target | Aim | Measured, median (least–most) | Met |",
    ),
    "bench_yes": ("はい", "yes"),
    "bench_no": ("いいえ", "no"),
    "bench_aim_streamed_own": ("{what}、ストリーミング、素のループ比", "{what} streamed, of bare"),
    "bench_aim_streamed_argmax": (
        "{what}、ストリーミング、argmax で選ぶ素のループ比",
        "{what} streamed, of bare that takes the argmax",
    ),
    "bench_aim_plain_own": ("{what}、一括、素のループ比", "{what} not streamed, of bare"),
    "bench_aim_plain_argmax": (
        "{what}、一括、argmax で選ぶ素のループ比",
        "{what} not streamed, of bare that takes the argmax",
    ),
    "bench_aim_first": ("{what}、最初の文字の遅れ", "{what}, first text after bare"),
    "bench_aim_idle": ("待機中のサーバーのメモリ（{what}）", "memory of the idle server ({what})"),
    "bench_aim_left": ("アンロード後に残る分（{what}）", "left of it after an unload ({what})"),
    "bench_aim_healthy": ("起動から最初の応答まで", "from start to healthy"),
    "bench_aim_llama": ("{what}、llama-server 比", "{what}, of llama-server"),
    "bench_aim_clients": ("small、{what} 人同時、ライブラリの限界比", "small, {what} clients, of the library's limit"),
    "bench_aim_clients_first": ("同、最初の文字、llama-server 比", "the same, first text, of llama-server"),
    "bench_aim_turn": ("2 ターン目の最初の文字、全計算比", "second turn's first text, of a full prompt"),
    "bench_aim_state": (
        "{what}、2 ターン目の最初の文字、全計算比",
        "{what}, second turn's first text, of a full prompt",
    ),
    "bench_aim_put_away": (
        "アンロードのあとの最初の文字、KV_STORE={what}、全計算比",
        "first text after an unload, KV_STORE={what}, of computing anew",
    ),
    "bench_aim_asleep": ("眠っているときのメモリ", "memory asleep"),
    "bench_aim_waking": ("目覚めの分", "what waking adds"),
    "bench_aim_repeats": ("先読み、繰り返す文、素のループ比", "look-up, text that repeats, of bare"),
    "bench_aim_differs": ("先読み、繰り返さない文、素のループ比", "look-up, text that does not, of bare"),
    "bench_aim_schema": ("スキーマ付き、素のループ比", "under a schema, of bare"),
    "bench_aim_ram_first_cold": (
        "RAM ディスクの初回、なしとの比、ページキャッシュなし",
        "first load with the RAM disk, of one without, cold",
    ),
    "bench_aim_ram_first_warm": (
        "RAM ディスクの初回、なしとの比、ページキャッシュあり",
        "first load with the RAM disk, of one without, warm",
    ),
    "bench_aim_ram_copy": (
        "写しからの読み込み、冷えたディスクからとの比",
        "load from the copy, of one from the cold disk",
    ),
    "bench_aim_switch": ("{what} への切り替え、素の読み込みを超えた分", "switch to {what}, over the bare load"),
    "bench_part_decode": ("decode", "decode"),
    "bench_part_sampling": ("トークンの選択", "choosing the token"),
    "bench_part_batch": ("バッチを満たす", "filling the batch"),
    "bench_part_text": ("文字にする", "making text"),
    "bench_part_emit": ("渡す", "handing on"),
    "bench_part_rest": ("そのほか（時計を含む）", "the rest (the clocks included)"),
    "bench_profile_help": ("1 トークンの時間の内訳だけを示す", "only show where the time of one token goes"),
    "bench_plot_help": ("図を PNG で書き出す", "draw a picture (PNG)"),
    "bench_no_plot": (
        "図を描けません。matplotlib を入手できないか、測定結果がありません。",
        "Nothing can be drawn: matplotlib could not be installed, or nothing was measured.",
    ),
    "bench_no_spare": (
        "{seconds:.0f} 秒待っても予備のプロセスが始まりませんでした。",
        "No runner was started ahead within {seconds:.0f} s.",
    ),
    "bench_way_own": ("素のループ（ライブラリの greedy サンプラー）", "bare loop, the library's greedy sampler"),
    "bench_way_argmax": ("素のループ（argmax）", "bare loop, argmax"),
    "bench_way_streamed": ("星影（ストリーミング）", "Hoshikage, streamed"),
    "bench_way_plain": ("星影（一括）", "Hoshikage, not streamed"),
    "bench_about_run": (
        "{cpu}（{cores} コア）、メモリ {memory_gib} GiB、{system}、Python {python}。libllama {version}、"
        "CPU バックエンド `{variant}`。{rounds} 回の中央値（最小–最大）。",
        "{cpu} ({cores} cores), {memory_gib} GiB of memory, {system}, Python {python}. libllama {version}, "
        "CPU backend `{variant}`. Medians of {rounds} rounds (least–most).",
    ),
    "bench_speed_head": (
        "| モデル（入力 → 出力トークン） | 測り方 | 生成 tokens/s | argmax 比 | 通し tokens/s | argmax 比 | "
        "最初の文字 ms | 追加 µs/token |",
        "| Model (tokens in → out) | Way | Decode tokens/s | to argmax | End to end tokens/s | to argmax | "
        "First text ms | Added µs/token |",
    ),
    "bench_memory_head": (
        "| モデル | 大きさ | 待機中 MiB | 読み込み後 MiB（サーバー + ランナー） | アンロード後 MiB | "
        "読み込み ms（素） | 未読み込みから最初の文字 ms |",
        "| Model | Size | Idle MiB | Loaded MiB (server + runner) | Unloaded MiB | Load ms (bare) | "
        "First text from unloaded ms |",
    ),
    "bench_shape": ("{params:.1f} M / {size} MiB", "{params:.1f} M / {size} MiB"),
    "bench_start": (
        "起動から `/health` の最初の応答まで: {ms} ms",
        "From start to the first answer of `/health`: {ms} ms",
    ),
    # siege.py
    "siege_about": (
        "このツリーのサーバーを、負荷・ランナーの異常終了・サーバーやコマンドの強制終了・壊れたファイル・遅い接続・電源断の状態で試し、数を足し込みます。",
        "Tries a server of this tree by load, deaths of runners, kills of servers and commands, damaged files, slow "
        "connections and states that power cuts leave, and adds up what it counts.",
    ),
    "siege_minutes_help": ("続ける分数（既定 60）", "minutes to go on (default 60)"),
    "siege_round_help": ("1 つのサーバーを試す分数（既定 4）", "minutes for each server (default 4)"),
    "siege_clients_help": ("同時のクライアント数（既定 512）", "clients at once (default 512)"),
    "siege_seed_help": ("乱数の種（実行のたびに 1 つ進みます）", "seed; every run goes on by one"),
    "siege_totals_help": (
        "数を書くファイル。同じコミットなら前の続きに足します",
        "file of the counts; those of the same commit are added to",
    ),
    "siege_library_help": ("libllama のファイル", "libllama's file"),
    "siege_only_help": ("試すものを選ぶ", "only these parts"),
    "siege_short_help": ("1 分だけ、少ないクライアントで", "a minute, with few clients"),
    "siege_parts_missing": (
        "内蔵モデルか libllama がありません（{library}）。--library か HOSHIKAGE_LIB_PATH で指定してください。",
        "The built-in model or libllama is missing ({library}). Name it by --library or HOSHIKAGE_LIB_PATH.",
    ),
    "siege_no_prompts": (
        "どの質問にも、答えが 1 つに決まりません（{kind}）。",
        "No question has one certain answer ({kind}).",
    ),
    "siege_begins": (
        "{minutes:.1f} 分、クライアント {clients}、種 {seed}",
        "{minutes:.1f} minutes, {clients} clients, seed {seed}",
    ),
    "siege_round": ("{number}/{rounds} 回目: {mode}", "Round {number} of {rounds}: {mode}"),
    "siege_table": (
        "コミット {commit}、合計 {minutes:.1f} 分、{runs} 回の実行",
        "Commit {commit}, {minutes:.1f} minutes in all, {runs} runs",
    ),
}
