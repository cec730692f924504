"""Holds the texts of the media area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "no_image": (
        "{place}: このモデルは画像を読めません。読める部品（mmproj）があれば `hoshikage add … --mmproj ファイル` で"
        "指定してください。",
        "{place}: this model does not read pictures. Where there is a projector for it (mmproj), register it with "
        "`hoshikage add … --mmproj FILE`.",
    ),
    "no_audio": (
        "{place}: このモデルは音声を読めません。読める部品（mmproj）があれば `hoshikage add … --mmproj ファイル` で"
        "指定してください。",
        "{place}: this model does not read sound. Where there is a projector for it (mmproj), register it with "
        "`hoshikage add … --mmproj FILE`.",
    ),
    "not_image": (
        "{place} は画像ではなく音声です。input_audio として送ってください。",
        "{place} is no picture but sound; send it as input_audio.",
    ),
    "not_audio": (
        "{place} は音声ではなく画像です。image_url として送ってください。",
        "{place} is no sound but a picture; send it as image_url.",
    ),
    "not_sound": (
        "{place} は音声ではなく画像です。WAV、MP3、FLAC を送ってください。",
        "{place} is no sound but a picture; send WAV, MP3 or FLAC.",
    ),
    "source": (
        "{place} はこの種類のものを読みません。base64（type: base64、data）か URL（type: url、url）にしてください。",
        "{place} is of a kind that is not taken; it must be base64 (type: base64, data) or a URL (type: url, url).",
    ),
    "count": (
        "画像と音声が多すぎます（{place}）。上限は {limit} 個です。",
        "There are too many pictures and sounds (at {place}); the limit is {limit}.",
    ),
    "bytes": (
        "画像と音声が大きすぎます（{place}）。上限は合わせて {limit} MiB です。",
        "Pictures and sounds are too large (at {place}); the limit is {limit} MiB for all of them together.",
    ),
    "pixels": (
        "{place} の画像は {width} × {height} ピクセルで、大きすぎます。上限は {limit} メガピクセルです。",
        "The picture of {place} has {width} × {height} pixels; the limit is {limit} megapixels.",
    ),
    "long": (
        "{place} の音声は約 {minutes} 分で、長すぎます。上限は {limit} 分です。",
        "The sound of {place} is about {minutes} minutes long; the limit is {limit} minutes.",
    ),
    "markers": (
        "{place} にある {marker} は {found} 個ですが、multimodal_data は {count} 個です。同じ数にしてください。",
        "{place} has {found} of {marker}, and multimodal_data {count} files; there must be as many of both.",
    ),
    "not_embedded": (
        "{place}: ベクトルは文章だけから作ります。画像と音声は外してください。",
        "{place}: vectors are made of words alone; leave pictures and sounds out.",
    ),
    "untimed": (
        "{place}: モデルは、どの言葉をいつ、だれが言ったかを告げません。json、text、verbose_json（全体で 1 つの区間）を"
        "使えます。",
        "{place}: no model tells when a word was said, or by whom. There are json, text and verbose_json (with one "
        "segment for all of it).",
    ),
    "url": (
        "{place} は data URL（data:image/png;base64,…）にしてください。ファイルの場所やほかの種類の URL は読みません。",
        "{place} must be a data URL (data:image/png;base64,…); paths of files and other kinds of URLs are not read.",
    ),
    "base64": ("{place} は base64 として読めません。", "{place} is no valid base64."),
    "format": (
        "{place} は画像（PNG、JPEG、GIF、BMP、WebP）にも音声（WAV、MP3、FLAC）にも見えません。",
        "{place} looks like no picture (PNG, JPEG, GIF, BMP, WebP) and no sound (WAV, MP3, FLAC).",
    ),
    "format_named": (
        "{place} は {found} で、読めません。PNG、JPEG、GIF、BMP、WebP（音声なら WAV、MP3、FLAC）に変換して送って"
        "ください。",
        "{place} is {found}, which is not read; send it as PNG, JPEG, GIF, BMP or WebP (sound: WAV, MP3 or FLAC).",
    ),
    "format_image": (
        "{place} は画像（PNG、JPEG、GIF、BMP、WebP）に見えません。",
        "{place} looks like no picture (PNG, JPEG, GIF, BMP, WebP).",
    ),
    "format_image_named": (
        "{place} は {found} で、読めません。PNG、JPEG、GIF、BMP、WebP に変換して送ってください。",
        "{place} is {found}, which is not read; send it as PNG, JPEG, GIF, BMP or WebP.",
    ),
    "format_audio": (
        "{place} は音声（WAV、MP3、FLAC）に見えません。",
        "{place} looks like no sound (WAV, MP3, FLAC).",
    ),
    "format_audio_named": (
        "{place} は {found} で、読めません。WAV、MP3、FLAC に変換して送ってください。",
        "{place} is {found}, which is not read; send it as WAV, MP3 or FLAC.",
    ),
    "damaged": ("{place} の {found} は壊れています。", "The {found} of {place} is damaged."),
    "remote_off": (
        "{place} はネットワーク上の画像です。取りに行くのは ALLOW_REMOTE_IMAGES=on のときだけです。data URL で送る"
        "こともできます。",
        "{place} is a picture on the network; those are fetched only with ALLOW_REMOTE_IMAGES=on. It can be sent as a "
        "data URL, too.",
    ),
    "remote_address": (
        "{place}: {host} はこのマシンか内部のネットワークを指しているため、取りに行きません。",
        "{place}: {host} leads to this machine or to a network of its own, where nothing is fetched from.",
    ),
    "remote_url": ("{place}: この URL からは取得できません。", "{place}: nothing can be fetched from this URL."),
    "remote_redirects": (
        "{place}: {host} から何度も転送されたため、取得をやめました。",
        "{place}: {host} redirects too often.",
    ),
    "remote_status": (
        "{place}: {host} が状態 {status} を返しました。",
        "{place}: {host} answered with status {status}.",
    ),
    "remote_failed": (
        "{place}: {host} から取得できませんでした（{reason}）。",
        "{place}: it could not be fetched from {host} ({reason}).",
    ),
    "remote_slow": (
        "{place}: {host} からの取得に {seconds} 秒より長くかかったため、やめました。",
        "{place}: fetching it from {host} took longer than {seconds} seconds and was given up.",
    ),
}
