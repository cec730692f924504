"""Holds the texts of the model area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # The registry, model_map.json.
    "label_invalid": (
        "「{label}」はラベルにできません。英数字で始まり、英数字と . _ : @ + - / だけの 128 文字以内にしてください"
        "（例: qwen3、org/name:tag）。",
        "“{label}” cannot be a label: begin with a letter or digit, then letters, digits and . _ : @ + - / only, "
        "at most 128 characters (e.g. qwen3, org/name:tag).",
    ),
    "alias_target_invalid": (
        "別名「{label}」の値がモデルのラベルになっていないため、飛ばしました。",
        "The alias “{label}” was skipped: its value is no label of a model.",
    ),
    "alias_hidden": (
        "別名「{label}」は使われません。同じ名前のモデルかペルソナがあります。",
        "The alias “{label}” is never used: a model or a persona has the same name.",
    ),
    "alias_is_label": (
        "「{label}」はモデルかペルソナの名前なので、別名にできません。",
        "“{label}” is the name of a model or a persona, so it cannot be an alias.",
    ),
    "alias_not_found": (
        "別名「{model}」はありません。あるもの: {known}",
        "There is no alias “{model}”. Available: {known}",
    ),
    "entry_no_object": (
        "「{label}」の登録内容が {{...}} の形になっていないため、飛ばしました。",
        "The entry “{label}” is not an object {{...}}; it was skipped.",
    ),
    "entry_path_invalid": (
        "「{label}」の path（フォルダー）か model（ファイル名）が文字列として使えません。",
        "The entry “{label}” has no usable path (folder) or model (file name).",
    ),
    "entry_stop_invalid": (
        "「{label}」の stop は、空でない 256 バイト以内の文字列の並びでなければなりません。",
        "The stop of “{label}” must be a list of strings, none empty, each at most 256 bytes.",
    ),
    "entry_created_invalid": (
        "「{label}」の created は Unix 時刻（整数）でなければなりません。",
        "The created of “{label}” must be a Unix time (a whole number).",
    ),
    "entry_duplicate": (
        "ラベル「{label}」が二度書かれています。後のほうを使います。",
        "The label “{label}” stands twice; the later one is used.",
    ),
    "registry_damaged": (
        "{file} の {line} 行 {column} 文字目が JSON として読めません。直すまで書き換えません。",
        "{file} cannot be read as JSON at line {line}, column {column}. Hoshikage will not change it until it is "
        "fixed.",
    ),
    "registry_no_json": (
        "{file} は UTF-8 の JSON として読めません。直すまで書き換えません。",
        "{file} cannot be read as UTF-8 JSON. Hoshikage will not change it until it is fixed.",
    ),
    "registry_no_object": (
        '{file} の全体が {{"ラベル": {{...}}}} の形になっていません。直すまで書き換えません。',
        '{file} as a whole is not of the form {{"label": {{...}}}}. Hoshikage will not change it until it is fixed.',
    ),
    "registry_no_file": (
        "{file} は普通のファイルでないか、大きすぎます。",
        "{file} is not a regular file, or too large.",
    ),
    "registry_unreadable": (
        "{file} を読めません（{reason}）。所有者とアクセス権を確かめてください。",
        "{file} cannot be read ({reason}). Check its owner and permissions.",
    ),
    "registry_unwritable": (
        "{file} に書き込めません（{reason}）。空き容量とアクセス権を確かめてください。",
        "{file} cannot be written ({reason}). Check the free space and the permissions.",
    ),
    "registry_duplicate": (
        "{file} にラベル「{label}」が二度書かれています。片方を消すまで書き換えません。",
        "{file} has the label “{label}” twice. It is not written to until one of them is removed.",
    ),
    "registry_busy": (
        "ほかのプログラムが登録を書き換えている最中です（{seconds} 秒待ちました: {file}）。もう一度お試しください。",
        "Another program is writing the registry (waited {seconds} s: {file}). Please try again.",
    ),
    # The GGUF file.
    "file_missing": ("ファイルがありません: {file}", "There is no such file: {file}"),
    "file_is_folder": (
        "{file} はフォルダーです。中の GGUF ファイルを指定してください。",
        "{file} is a folder. Name the GGUF file in it.",
    ),
    "file_not_regular": ("{file} は普通のファイルではありません。", "{file} is not a regular file."),
    "file_unreadable": (
        "{file} を読めません（{reason}）。アクセス権を確かめてください。",
        "{file} cannot be read ({reason}). Check its permissions.",
    ),
    "file_empty": (
        "{file} は空です。ダウンロードし直してください。",
        "{file} is empty. Download it again.",
    ),
    "file_lfs_pointer": (
        "{file} は Git LFS の目印で、モデル本体ではありません。`git lfs pull` などで本体を取得してください。",
        "{file} is a Git LFS pointer, not the model itself. Fetch the model, for instance with `git lfs pull`.",
    ),
    "file_web_page": (
        "{file} はウェブページです。モデルのページではなく、ファイル本体をダウンロードしてください。",
        "{file} is a web page. Download the file itself, not the page about it.",
    ),
    "file_not_gguf": (
        "{file} は GGUF ファイルではありません（先頭が GGUF で始まっていません）。.gguf のファイルを指定してください。",
        "{file} is not a GGUF file (it does not begin with GGUF). Name a .gguf file.",
    ),
    "gguf_cut": (
        "{file} は {offset} バイト目から先が足りません（全体で {size} バイト）。"
        "壊れているか、ダウンロードが途中で終わっています。",
        "{file} ends too early for what stands at byte {offset} (the file has {size} bytes). "
        "It is damaged, or its download did not finish.",
    ),
    "gguf_incomplete": (
        "{file} は途中までしかありません（{need} バイト必要なところ {size} バイト）。ダウンロードし直してください。",
        "{file} is incomplete: it has {size} of at least {need} bytes. Download it again.",
    ),
    "gguf_version": (
        "{file} は GGUF のバージョン {version} です。使えるのは 2 と 3 です。"
        "新しい形式に変換したものを使ってください。",
        "{file} is GGUF version {version}; versions 2 and 3 can be used. Use a newer GGUF of the model.",
    ),
    "gguf_big_endian": (
        "{file} はビッグエンディアンの GGUF です。リトルエンディアンのものを使ってください。",
        "{file} is a big-endian GGUF. Use a little-endian one.",
    ),
    "gguf_tensor_count": (
        "{file} は壊れています: テンソルの数が {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: it claims {count} tensors (at most {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_pair_count": (
        "{file} は壊れています: メタデータの数が {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: it claims {count} metadata pairs (at most {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_header_too_large": (
        "{file} のヘッダーが大きすぎます（最大 {maximum} バイト）。壊れているおそれがあります。"
        "ダウンロードし直してください。",
        "The header of {file} is too large (at most {maximum} bytes). It may be damaged: download it again.",
    ),
    "gguf_key_length": (
        "{file} は壊れています: メタデータの名前の長さが {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: a metadata key claims {count} bytes (at most {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_key_text": (
        "{file} は壊れています: メタデータの名前が文字として読めません（{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: a metadata key is not text (byte {offset}). Download it again.",
    ),
    "gguf_key_twice": (
        "{file} は壊れています: メタデータ {name} が二度あります（{offset} バイト目）。ダウンロードし直してください。",
        "{file} is damaged: metadata key {name} stands twice (byte {offset}). Download it again.",
    ),
    "gguf_string_length": (
        "{file} は壊れています: 文字列の長さが {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: a string claims {count} bytes (at most {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_value_type": (
        "{file} は壊れているか新しすぎます: {name} の値の型 {type} を知りません（{offset} バイト目）。"
        "ダウンロードし直すか、星影を新しくしてください。",
        "{file} is damaged or too new: {name} has the unknown value type {type} (byte {offset}). Download it again, "
        "or update Hoshikage.",
    ),
    "gguf_bool": (
        "{file} は壊れています: {name} の真偽値が {value} です（{offset} バイト目）。ダウンロードし直してください。",
        "{file} is damaged: {name} has the truth value {value} (byte {offset}). Download it again.",
    ),
    "gguf_array_count": (
        "{file} は壊れています: 配列の要素数が {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: an array claims {count} elements (at most {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_nesting": (
        "{file} は壊れています: {name} の配列の入れ子が {maximum} 段を超えています（{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: {name} nests arrays deeper than {maximum} (byte {offset}). Download it again.",
    ),
    "gguf_token_twice": (
        "{file} は壊れています: 語彙に同じトークン「{token}」が二つあります（{offset} バイト目からの配列）。"
        "ダウンロードし直してください。",
        "{file} is damaged: its vocabulary has the token “{token}” twice (in the array at byte {offset}). Download "
        "it again.",
    ),
    "gguf_token_arrays": (
        "{file} は壊れています: {name} が {count} 個で、トークンの数 {tokens} と合いません（{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: {name} has {count} values for {tokens} tokens (byte {offset}). Download it again.",
    ),
    "gguf_alignment": (
        "{file} は壊れています: general.alignment が {alignment} です（2 の累乗でなければなりません）。"
        "ダウンロードし直してください。",
        "{file} is damaged: general.alignment is {alignment}; it must be a power of two. Download it again.",
    ),
    "gguf_tensor_name": (
        "{file} は壊れています: テンソル名の長さが {count} です（最大 {maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: a tensor's name claims {count} bytes (at most {maximum}; byte {offset}). Download it "
        "again.",
    ),
    "gguf_tensor_twice": (
        "{file} は壊れています: テンソル {name} が二つあります（{offset} バイト目）。ダウンロードし直してください。",
        "{file} is damaged: tensor {name} stands twice (byte {offset}). Download it again.",
    ),
    "gguf_dimensions": (
        "{file} は壊れています: テンソル {name} の次元が {count} です（1～{maximum}、{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: tensor {name} has {count} dimensions (1 to {maximum}; byte {offset}). Download it again.",
    ),
    "gguf_shape": (
        "{file} は壊れています: テンソル {name} の大きさ {size} がありえません（{offset} バイト目）。"
        "ダウンロードし直してください。",
        "{file} is damaged: tensor {name} has the impossible size {size} (byte {offset}). Download it again.",
    ),
    "gguf_tensor_type": (
        "{file} は壊れているか新しすぎます: テンソル {name} の型 {type} を知りません（{offset} バイト目）。"
        "ダウンロードし直すか、星影を新しくしてください。",
        "{file} is damaged or too new: tensor {name} has the unknown type {type} (byte {offset}). Download it again, "
        "or update Hoshikage.",
    ),
    "gguf_tensor_type_removed": (
        "{file} は古い形式です: テンソル {name} の型 {type} は llama.cpp から無くなりました。"
        "新しい GGUF を使ってください。",
        "{file} is outdated: tensor {name} has type {type}, which llama.cpp no longer reads. Use a newer GGUF.",
    ),
    "gguf_block": (
        "{file} は壊れています: テンソル {name} の列数 {size} が {type} の単位 {block} で割り切れません（{offset} "
        "バイト目）。ダウンロードし直してください。",
        "{file} is damaged: the row of tensor {name}, {size}, is no multiple of the block of {type}, {block} (byte "
        "{offset}). Download it again.",
    ),
    "gguf_offset": (
        "{file} は壊れています: テンソル {name} の位置 {value} が {alignment} の倍数ではありません。"
        "ダウンロードし直してください。",
        "{file} is damaged: the place of tensor {name}, {value}, is no multiple of {alignment}. Download it again.",
    ),
    "gguf_no_architecture": (
        "{file} にモデルの種類（general.architecture）が書かれていません。別の GGUF を使ってください。",
        "{file} does not say what model it is (general.architecture). Use another GGUF of the model.",
    ),
    "gguf_number": (
        "{file} は壊れています: {name} が {value} です。ダウンロードし直してください。",
        "{file} is damaged: {name} is {value}. Download it again.",
    ),
    "gguf_implausible": (
        "{file} は壊れています: {name} が {value} です（ライブラリに要るもの: {wanted}）。"
        "ダウンロードし直してください。",
        "{file} is damaged: {name} is {value}; the library needs {wanted}. Download it again.",
    ),
    "gguf_split": (
        "{file} は壊れています: 分割の番号（split.no、split.count）がありえません。ダウンロードし直してください。",
        "{file} is damaged: its numbers as a split file (split.no, split.count) are impossible. Download it again.",
    ),
    "gguf_no_tensors": (
        "{file} には重みが入っていません（語彙だけのファイルなど）。モデル本体の GGUF を指定してください。",
        "{file} holds no weights (it may be a vocabulary only). Name the GGUF of the model itself.",
    ),
    "draft_unlike": (
        "{file} は下書きモデルになれません。語彙が違います（{difference}）。同じ系列の小さいモデルを指定してください。",
        "{file} cannot be the draft model: its vocabulary differs ({difference}). Give a small model of the same "
        "family.",
    ),
    "kind_unserved": (
        "{file} のモデル（{architecture}）は {kind} という種類で、ここでは動かせません。文章を先頭から順に書くモデル、"
        "埋め込みモデル、並べ替え（rerank）モデルの GGUF を指定してください。",
        "{file} is a model ({architecture}) of a kind that cannot be run here: {kind}. Name the GGUF of a model that "
        "writes text from left to right, of an embedding model or of a reranker.",
    ),
    "mmproj_kind": (
        "{file} は画像や音声を読ませる部品（mmproj）ではありません（種類 {architecture}）。",
        "{file} is no projector (mmproj) for pictures or sound: it is of architecture {architecture}.",
    ),
    "draft_kind": (
        "{file} は文章を書くモデルではないため、下書きモデルになれません。",
        "{file} cannot be the draft model: it writes no text.",
    ),
    "lora_kind": (
        "{file} は LoRA アダプターではありません（種類: {kind}）。llama.cpp の convert_lora_to_gguf.py で作った GGUF を"
        "指定してください。",
        "{file} is no LoRA adapter (it is: {kind}). Name a GGUF that llama.cpp's convert_lora_to_gguf.py wrote.",
    ),
    "lora_unlike": (
        "LoRA アダプター {file} は別の種類のモデル（{architecture}）のものです。このモデルは {wanted} です。",
        "The LoRA adapter {file} is for another kind of model ({architecture}); this one is {wanted}.",
    ),
    "vector_kind": (
        "{file} はコントロールベクトルではありません（{tensor}）。llama.cpp の llama-cvector-generator が書く GGUF を"
        "指定してください。",
        "{file} is no control vector ({tensor}). Name a GGUF that llama.cpp's llama-cvector-generator wrote.",
    ),
    "vector_unlike": (
        "コントロールベクトル {file} はこのモデルに合いません（幅 {widths}、層 {layers} まで。モデルは幅 {n_embd}、"
        "{n_layers} 層）。",
        "The control vector {file} does not fit this model: it is {widths} wide and reaches layer {layers}; the model "
        "is {n_embd} wide and has {n_layers} layers.",
    ),
    "adapter_large": (
        "{file} は大きすぎます（{size} バイト、上限 {maximum}）。",
        "{file} is too large ({size} bytes, {maximum} at most).",
    ),
    "not_a_chat_model": (
        "{file} は会話用のモデルではありません（種類: {kind}）。モデル本体の GGUF を指定してください。",
        "{file} is no model to chat with (it is: {kind}). Name the GGUF of the model itself.",
    ),
    "split_name": (
        "{file} は分割されたモデルの {number}/{count} 番目ですが、ファイル名がそうなっていません。"
        "元の名前（…-{number:05d}-of-{count:05d}.gguf）に戻してください。",
        "{file} is part {number} of {count} of a split model, but its name does not say so. "
        "Give it back its name (…-{number:05d}-of-{count:05d}.gguf).",
    ),
    "split_missing": (
        "分割されたモデルのファイルが足りません: {file}（全部で {count} 個）。同じフォルダーに揃えてください。",
        "A part of the split model is missing: {file} (there are {count}). Put all of them into one folder.",
    ),
    "split_mixed": (
        "{file} は、名前は {number}/{count} 番目ですが中身は別の部分です。ダウンロードし直してください。",
        "{file} is named as part {number} of {count}, but holds something else. Download it again.",
    ),
    "split_tensors": (
        "{file} から始まる {count} 個のファイルは一つのモデルになりません（テンソルが合わせて {n_tensors} 個で、"
        "書かれている数と違います）。",
        "The {count} files from {file} on make no one model (they hold {n_tensors} tensors together, "
        "which is not the number they claim).",
    ),
    # Settings of one model, and personas.
    "option_invalid": (
        "{name} に「{value}」は使えません。使える値: {allowed}",
        "{name} cannot be “{value}”. Allowed: {allowed}",
    ),
    "entry_option_invalid": (
        "「{label}」の {name} に「{value}」は使えないため、飛ばしました。使える値: {allowed}",
        "The {name} of “{label}” cannot be “{value}”; the entry was skipped. Allowed: {allowed}",
    ),
    "entry_template_outside": (
        "「{label}」の chat_template は {folder} の外のファイルなので、飛ばしました。"
        "この登録ファイルは作業フォルダーの .env で指定されています。"
        "環境変数か設定フォルダーの .env で指定すれば使えます。",
        "The chat_template of “{label}” is a file outside {folder}; the entry was skipped. A .env in the working "
        "folder named this registry; name it in the environment or in the config folder's .env to allow that.",
    ),
    "template_unreadable": (
        "チャットテンプレートのファイル {file} を読めません（{reason}）。アクセス権を確かめてください。",
        "The chat template file {file} cannot be read ({reason}). Check its permissions.",
    ),
    "template_ending": (
        "API から chat_template に指定できるファイルは、名前が {endings} で終わるものだけです（{file}）。"
        "ファイルの名前を変えるか、サーバーのマシンで `hoshikage add --chat-template ファイル` を実行してください。",
        "By the API a chat_template may be a file only whose name ends in {endings}, and {file} does not. Rename it, "
        "or run `hoshikage add --chat-template FILE` on the server's machine.",
    ),
    "template_broken": (
        "チャットテンプレートのファイル {file} を Jinja として解釈できません（{reason}）。直してから、もう一度送って"
        "ください。",
        "The chat template file {file} is no Jinja that can be compiled ({reason}). Mend it, and send this again.",
    ),
    "template_unnamed": (
        "{file} に {name} という名前のチャットテンプレートはありません。あるもの: {known}",
        "{file} has no chat template named {name}. It has: {known}",
    ),
    "template_no_text": (
        "チャットテンプレートのファイル {file} が、1 MiB 以内の UTF-8 のテキストになっていません。",
        "The chat template file {file} is no UTF-8 text of at most 1 MiB.",
    ),
    "persona_model_invalid": (
        "ペルソナ「{label}」の model に、モデルのラベルがありません。",
        "The persona “{label}” names no model's label as its model.",
    ),
    "persona_system_invalid": (
        "ペルソナ「{label}」の system は、空でない 256 KiB 以内の文章でなければなりません。",
        "The system text of the persona “{label}” must be a text, not empty, of at most 256 KiB.",
    ),
    "persona_hidden": (
        "ペルソナ「{label}」は、同じ名前のモデルが登録されているため使われません。",
        "The persona “{label}” is not used, because a model of that name is registered.",
    ),
    "label_is_persona": (
        "「{label}」はペルソナの名前です。別のラベルにするか、`hoshikage persona rm {label}` で消してください。",
        "“{label}” is the name of a persona. Choose another label, or remove it with `hoshikage persona rm {label}`.",
    ),
    "persona_is_label": (
        "「{label}」はモデルのラベルです。ペルソナには別の名前を付けてください。",
        "“{label}” is the label of a model. Give the persona another name.",
    ),
    "persona_not_found": (
        "「{model}」というペルソナはありません。いまあるペルソナ: {known}",
        "There is no persona “{model}”. Personas: {known}",
    ),
    "persona_model_missing": (
        "ペルソナ「{label}」の使うモデル「{model}」が登録されていません。登録済み: {known}",
        "The model “{model}” that the persona “{label}” uses is not registered. Known: {known}",
    ),
}
