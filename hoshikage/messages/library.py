"""Holds the texts of the library area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # finding
    "missing": (
        "libllama が見つかりません。`{command}` で入れるか、環境変数 {variable} で場所を指定してください。"
        "探した場所:\n{looked}",
        "No libllama was found. Install one with `{command}`, or set {variable} to where it is. Looked in:\n{looked}",
    ),
    "path_missing": (
        "{variable} が指す {path} がありません。場所を直すか、{variable} を外して `{command}` を実行してください。",
        "{variable} names {path}, which does not exist. Correct it, or unset {variable} and run `{command}`.",
    ),
    "path_dangling": (
        "{variable} が指す {path} はリンク切れです。リンクを直すか、{variable} を外して `{command}` "
        "を実行してください。",
        "{variable} names {path}, a link that leads nowhere. Mend it, or unset {variable} and run `{command}`.",
    ),
    "path_empty": (
        "{variable} が指すフォルダー {path} に libllama がありません。場所を直すか、{variable} を外して "
        "`{command}` を実行してください。",
        "{variable} names the folder {path}, which holds no libllama. Correct it, or unset {variable} and run "
        "`{command}`.",
    ),
    "path_unreadable": (
        "{variable} が指す {path} を読めません（{reason}）。アクセス権を確かめてください。",
        "{variable} names {path}, which cannot be read ({reason}). Check its permissions.",
    ),
    "folder_unreadable": (
        "ライブラリのフォルダー {path} を読めません（{reason}）。アクセス権を直すか、`{command}` で入れ直して"
        "ください。",
        "The library folder {path} cannot be read ({reason}). Correct its permissions or run `{command}`.",
    ),
    "file_unreadable": (
        "ライブラリのファイル {path} を読めません（{reason}）。アクセス権を確かめてください。",
        "The library file {path} cannot be read ({reason}). Check its permissions.",
    ),
    "not_a_library": (
        "{path} はこのシステムの共有ライブラリではありません（必要な形式: {expected}、実際: {found}）。"
        "正しいファイルに置き換えるか、`{command}` を実行してください。",
        "{path} is no shared library of this system (expected: {expected}, found: {found}). Replace it or run "
        "`{command}`.",
    ),
    # judging
    "crashed": (
        "ライブラリ {path} は動作確認の途中で異常終了しました（{reason}）。別のリリースを "
        "`hoshikage lib install --release リリース` で入れてください。",
        "The library {path} crashed when it was tried ({reason}). Install another release with "
        "`hoshikage lib install --release RELEASE`.",
    ),
    "hung": (
        "ライブラリ {path} は動作確認で {seconds:g} 秒たっても応答しませんでした。別のリリースを "
        "`hoshikage lib install --release リリース` で入れてください。",
        "The library {path} did not answer within {seconds:g} s when it was tried. Install another release with "
        "`hoshikage lib install --release RELEASE`.",
    ),
    # putting in place
    "install_running": (
        "別のインストールが {path} に対して進行中です。終わるのを待って、もう一度実行してください。",
        "Another installation into {path} is running. Wait for it to end and try again.",
    ),
    "in_use": (
        "{path} は使用中のため置き換えられません（{reason}）。サーバーを止めてから、もう一度実行してください。"
        "元のライブラリはそのまま残っています。",
        "{path} is in use and cannot be replaced ({reason}). Stop the server and try again. The former library is "
        "still in its place.",
    ),
    "not_placed": (
        "新しいライブラリを {path} に置けませんでした（{reason}）。元のライブラリはそのまま残っています。",
        "The new library could not be put into {path} ({reason}). The former library is still in its place.",
    ),
    # bringing
    "step_downloading": ("ダウンロード中: {subject}", "Downloading {subject}"),
    "step_unpacking": ("展開中: {subject}", "Unpacking {subject}"),
    "step_trying": ("動作を確認中: {subject}", "Trying {subject}"),
    "release_unclear": (
        "--release {release} が分かりません。llama.cpp のリリース（例: b8390、v0.5.0）か npm のバージョン（例: 3.18.1）"
        "を指定してください。",
        "--release {release} is not understood. Give an llama.cpp release (b8390, v0.5.0) or an npm version (3.18.1).",
    ),
    "from_alone": (
        "--from は --backend や --release と一緒には使えません。",
        "--from cannot be used together with --backend or --release.",
    ),
    "no_build": (
        "このマシン（{machine}）用の {backend} 版は配布されていません（あるもの: {allowed}）。自分で用意したものは "
        "`hoshikage lib install --from 場所` で入れられます。",
        "No {backend} build is published for this machine ({machine}; available: {allowed}). A build of your own can "
        "be installed with `hoshikage lib install --from PLACE`.",
    ),
    "npm_failed": (
        "npm から {package} を取得できませんでした（{reason}）。ネットワークとリリースを確かめてください。"
        "手元のファイルは `hoshikage lib install --from 場所` で入れられます。",
        "npm could not bring {package} ({reason}). Check the network and the release. Files at hand can be installed "
        "with `hoshikage lib install --from PLACE`.",
    ),
    "npm_needed": (
        "npm のバージョン {release} を入れるには npm が必要です。Node.js を入れるか、llama.cpp のリリース（例: b8390）"
        "を指定してください。",
        "The npm version {release} needs the npm client. Install Node.js, or name an llama.cpp release such as b8390.",
    ),
    "no_archive": (
        "llama.cpp の公式リリース {release} にこのマシン用のファイルがありません（あるもの: {offered}）。",
        "The official llama.cpp release {release} has no archive for this machine (it has: {offered}).",
    ),
    "no_checksum": (
        "{name} には公式のチェックサムがないため、自動では入れません。内容を信頼できるなら "
        "`hoshikage lib install --from {url}` で入れられます。",
        "No checksum is published for {name}, so it is not installed by itself. If you trust it: "
        "`hoshikage lib install --from {url}`.",
    ),
    "checksum": (
        "{name} のチェックサムが一致しません。壊れているか、すり替えられています。もう一度実行してください。",
        "The checksum of {name} is wrong: it is damaged or not the published one. Try again.",
    ),
    "download_failed": (
        "{url} を取得できませんでした（{reason}）。アドレスとネットワークを確かめてください。",
        "{url} could not be fetched ({reason}). Check the address and the network.",
    ),
    "download_large": (
        "{url} は {limit} MiB を超えるため取得しません。",
        "{url} is larger than {limit} MiB and is not fetched.",
    ),
    "url_not_https": (
        "{url} は https ではないため使えません（http はこのマシン自身に限ります）。",
        "{url} is not https and cannot be used (http is for this machine itself only).",
    ),
    "origin_missing": ("{path} がありません。", "{path} does not exist."),
    "origin_special": (
        "{path} は普通のファイルでもフォルダーでもありません。",
        "{path} is neither a regular file nor a folder.",
    ),
    "archive_unknown": (
        "{path} は .zip でも .tar.gz でもありません。",
        "{path} is neither a .zip nor a .tar.gz.",
    ),
    "archive_damaged": (
        "{path} は壊れています（{reason}）。もう一度取得してください。",
        "{path} is damaged ({reason}). Fetch it again.",
    ),
    "unsafe_path": (
        "{path} には危険な項目「{member}」（外を指す名前）があるため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds an unsafe member “{member}” (a name that leads out) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_link": (
        "{path} には危険な項目「{member}」（外へ出るリンク）があるため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds an unsafe member “{member}” (a link that leads out) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_device": (
        "{path} には危険な項目「{member}」（ファイルでもリンクでもないもの）があるため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds an unsafe member “{member}” (neither a file nor a link) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_twice": (
        "{path} には危険な項目「{member}」（同じ名前が二つ）があるため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds an unsafe member “{member}” (a name twice) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_size": (
        "{path} には危険な項目「{member}」（書かれた大きさより大きい）があるため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds an unsafe member “{member}” (larger than it says) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_members": (
        "{path} は {limit} 個を超える項目を含むため、展開しません（「{member}」まで）。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} holds more than {limit} members (up to “{member}”) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_bytes": (
        "{path} は展開すると {limit} バイトを超えるため、展開しません（「{member}」）。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} would unpack to more than {limit} bytes (“{member}”) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_headers": (
        "{path} はファイルのほかに {limit} MiB を超える見出しを持つため、展開しません。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} has more than {limit} MiB of headers beside its files and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_ratio": (
        "{path} は展開すると {limit} 倍を超える大きさになるため、展開しません（「{member}」）。"
        "llama.cpp のリリースのアーカイブを使ってください。",
        "{path} would unpack to more than {limit} times its size (“{member}”) and is not unpacked. "
        "Use an archive of a llama.cpp release.",
    ),
    "unsafe_folder": (
        "{path} には外へ出るリンク「{member}」があるため、入れません。リンクの先のファイルを"
        "フォルダーの中に置いてください。",
        "{path} holds a link that leads out of it, “{member}”, and is not installed. Put the file itself "
        "into the folder.",
    ),
    "no_room": (
        "{path} の空き容量が足りません（必要: {needed} MiB、空き: {free} MiB）。空けてから、もう一度実行してください。"
        "元のライブラリはそのまま残っています。",
        "There is not enough room for {path} (needed: {needed} MiB, free: {free} MiB). Make room and try again. The "
        "former library is still in its place.",
    ),
    "nothing_inside": ("{path} に libllama がありません。", "{path} holds no libllama."),
    "io_failed": (
        "{path} を読み書きできませんでした（{reason}）。空き容量とアクセス権を確かめてください。"
        "元のライブラリはそのまま残っています。",
        "{path} could not be read or written ({reason}). Check the free space and the permissions. The former library "
        "is still in its place.",
    ),
    "refused": (
        "新しいライブラリは使えないため、入れませんでした。元のライブラリはそのまま残っています。理由: {reason}",
        "The new library cannot be used and was not installed. The former one is still in its place. Reason: {reason}",
    ),
    # showing
    "help_install": ("ビルド済みの libllama を導入", "install a prebuilt libllama"),
    "help_backend": ("演算の種類（既定: {default}）", "what computes (default: {default})"),
    "help_release": (
        "llama.cpp のリリース（b8390、v0.5.0）か npm のバージョン（3.18.1）。既定: 最新",
        "llama.cpp release (b8390, v0.5.0) or npm version (3.18.1); default: the latest",
    ),
    "help_from": (
        "フォルダー、.zip、.tar.gz、.tgz、または https のアドレスから導入",
        "install from a folder, a .zip, .tar.gz or .tgz, or an https address",
    ),
    "installed": ("ライブラリを入れました: {file}", "Installed: {file}"),
    "kept_by_hand": (
        "元のフォルダーには手で置かれたファイルがあったため、{path} に残しました。",
        "The former folder held files put there by hand; it is now {path}.",
    ),
    "overridden": (
        "注意: {variable} が {path} を指しているため、入れたライブラリは使われません。使うには {variable} を外して"
        "ください。",
        "Note: {variable} names {path}, so what was installed is not used. Unset {variable} to use it.",
    ),
    "no_gpu": (
        "このライブラリから使える GPU が見つかりません。いまは CPU で動きます。GPU のドライバーと、CUDA 版なら "
        "CUDA ランタイム（libcudart、libcublas）を確かめてください。",
        "This library finds no GPU and computes on the CPU for now. Check the GPU's driver and, for CUDA, its runtime "
        "(libcudart, libcublas).",
    ),
    "nvidia_hint": (
        "NVIDIA の GPU があるようです。GPU で動かすには: hoshikage lib install --backend cuda",
        "This machine seems to have an NVIDIA GPU. To use it: hoshikage lib install --backend cuda",
    ),
    "row_name": ("名前", "name"),
    "row_lacks": ("足りないもの", "lacks"),
    "row_file": ("ファイル", "file"),
    "row_place": ("見つけた場所", "found by"),
    "row_release": ("リリース", "llama.cpp release"),
    "row_origin": ("入手元", "came from"),
    "row_backends": ("バックエンド", "backends"),
    "row_devices": ("デバイス", "devices"),
    "row_cards": ("NVIDIA のカード用のコード", "code for NVIDIA cards"),
    "row_layouts": ("構造体の配置", "layouts"),
    "row_verdict": ("判定", "verdict"),
    "row_size": ("大きさ", "size"),
    "place_config": ("設定フォルダーの lib", "the config folder's lib"),
    "place_system": ("システムのライブラリ検索", "the system's library search"),
    "verdict_good": ("使えます", "usable"),
    "verdict_golden": ("使えます（基準の生成結果と一致）", "usable (the golden run's tokens agree)"),
    "verdict_refused": ("使えません: {reason}", "not usable: {reason}"),
    "by_hand": ("手で置かれたもの", "put there by hand"),
    # loading and examining
    "missing_file": (
        "ライブラリのファイル {file} がありません。`hoshikage lib install` で入れ直してください。",
        "The library file {file} does not exist. Install one with `hoshikage lib install`.",
    ),
    "unloadable": (
        "ライブラリ {file} を読み込めません（{reason}）。このマシン向けのものを `hoshikage lib install` で"
        "入れてください。",
        "The library {file} cannot be loaded ({reason}). Install one for this machine with `hoshikage lib install`.",
    ),
    "functions_missing": (
        "ライブラリ {file} には必要な関数がありません: {names}。libllama の b3889 から v0.5.0 までのリリースを "
        "`hoshikage lib install` で入れてください。",
        "The library {file} lacks functions that are needed: {names}. Install a libllama of b3889 to v0.5.0 with "
        "`hoshikage lib install`.",
    ),
    "layout_unknown": (
        "ライブラリ {file} の構造体 {struct} は、知られているどのリリースとも一致しません（最も近い {nearest} との"
        "違い: {difference}）。安全に使えないため読み込みません。別のリリースを "
        "`hoshikage lib install --release リリース` で入れるか、LIBRARY_CALIBRATION=on として、配置を動作から"
        "割り出させてください。",
        "The struct {struct} of the library {file} matches no known release (nearest: {nearest}; difference: "
        "{difference}). It is not used, as it cannot be used safely. Install another release with "
        "`hoshikage lib install --release RELEASE`, or set LIBRARY_CALIBRATION=on to have the layout worked out from "
        "the library's behaviour.",
    ),
    "calibration_failed": (
        "ライブラリ {path} の構造体の配置を、動作から割り出せませんでした（{reason}）。安全に使えないため"
        "読み込みません。別のリリースを `hoshikage lib install --release リリース` で入れてください。",
        "The layout of the structs of the library {path} could not be worked out from its behaviour ({reason}). It is "
        "not used, as it cannot be used safely. Install another release with "
        "`hoshikage lib install --release RELEASE`.",
    ),
    "no_backend": (
        "ライブラリ {file} の計算バックエンドが {folder} に見つかりません。libggml-* のファイルをすべて同じフォルダーに"
        "置くか、`hoshikage lib install` で入れ直してください。",
        "The library {file} finds no compute backend in {folder}. Put all its libggml-* files into that folder, or "
        "install it again with `hoshikage lib install`.",
    ),
    "feature_since": (
        "いまのライブラリ（llama.cpp {version}）には {feature} がありません。{first} からのリリースにあります。"
        "`hoshikage lib install` で新しいものを入れてください。",
        "The library in use (llama.cpp {version}) does not support {feature}; releases from {first} on do. Run "
        "`hoshikage lib install` for a newer one.",
    ),
    "media_lacking": (
        "いまのライブラリでは画像と音声を読めません。libllama と同じフォルダーに libmtmd がありません。{first} からの"
        "リリースの公式ビルドにはあります。そのビルドのファイルをすべてライブラリのフォルダー（`hoshikage doctor` で"
        "分かります）に入れるか、`hoshikage lib install --from ファイル` で入れてください。",
        "The library in use cannot read pictures and sound: there is no libmtmd beside libllama. Official builds of "
        "releases from {first} on have it. Put all files of such a build into the library's folder (`hoshikage "
        "doctor` names it), or run `hoshikage lib install --from FILE`.",
    ),
    "media_lacking_in": (
        "いまのライブラリでは画像と音声を読めません。libmtmd が {folder} にありません。公式ビルドのファイルをすべて"
        "そこに入れるか、`hoshikage lib install --from ファイル` で入れてください。",
        "The library in use cannot read pictures and sound: there is no libmtmd in {folder}. Put all files of an "
        "official build there, or run `hoshikage lib install --from FILE`.",
    ),
    "media_old": (
        "いまのライブラリの libmtmd は古すぎて、画像と音声を読めません（ないもの: {names}）。{first} "
        "からのリリースにあります。新しい公式ビルドを `hoshikage lib install --from ファイル` で入れてください。",
        "The libmtmd of the library in use is too old to read pictures and sound (missing: {names}). Releases from "
        "{first} on have what is needed. Install a newer official build with `hoshikage lib install --from FILE`.",
    ),
    "media_stranger": (
        "{file} は {library} と一緒に使えないので、画像と音声を読めません（{reason}）。同じビルドの libllama、libggml、"
        "libmtmd だけを置いてください。",
        "{file} cannot be used with {library}, so pictures and sound are not read ({reason}). Keep libllama, libggml "
        "and libmtmd of one build only.",
    ),
    "media_unknown": (
        "いまのライブラリの libmtmd は知らない形なので、画像と音声には使いません（最も近い形 {nearest}: "
        "{difference}）。星影を新しくするか、別のリリースを `hoshikage lib install` で入れてください。",
        "The libmtmd of the library in use is of an unknown layout, so it is not used for pictures and sound "
        "(nearest {nearest}: {difference}). Update Hoshikage, or run `hoshikage lib install` for another release.",
    ),
    "handshake_failed": (
        "ライブラリ {file} は見かけと異なる動きをしました（{check}: 期待 {expected}、実際 {found}）。"
        "別のリリースを `hoshikage lib install --release リリース` で入れてください。",
        "The library {file} does not behave as its layout says ({check}: expected {expected}, found {found}). "
        "Install another release with `hoshikage lib install --release RELEASE`.",
    ),
    "golden_failed": (
        "ライブラリ {file} の計算結果が、内蔵モデルの正しい結果と一致しません（{check}: 期待 {expected}、"
        "実際 {found}）。別のリリースを `hoshikage lib install --release リリース` で入れてください。",
        "The library {file} computes other results than the built-in model's known ones ({check}: expected "
        "{expected}, found {found}). Install another release with `hoshikage lib install --release RELEASE`.",
    ),
}
