"""Holds the texts of memory, the remember area: key -> (Japanese, English)."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # What the model reads.
    "digest_begin": (
        "【ここまでの会話の要点。{turns} 件の発言から、言葉どおりに抜き出したもの。時間の順。載っていない発言もある】",
        "[Digest of the conversation so far: sentences out of {turns} turns, word for word, in order of time. "
        "Not everything that was said is here.]",
    ),
    "by_user": ("ユーザー:", "User:"),
    "by_model": ("アシスタント:", "Assistant:"),
    "digest_end": ("【要点おわり】", "[End of the digest]"),
    "recalled_begin": (
        "【以前の会話から、関係のありそうな発言】",
        "[From earlier conversations, what may matter here]",
    ),
    "recalled_end": ("【以前の会話おわり】", "[End of earlier conversations]"),
    # What people read.
    "summary": ("覚えている会話を見て、忘れる", "show and forget what is kept of conversations"),
    "help_list": ("覚えているものを新しい順に並べる", "list what is kept, the newest first"),
    "help_search": ("意味の近いものを探す", "look for what is near in meaning"),
    "help_forget": ("文とベクトルをファイルから消す", "remove texts and their vectors from the files"),
    "help_export": ("1 行に 1 つの JSON として書き出す", "write them to a file, one JSON a line"),
    "help_clear": ("すべて消す", "remove everything"),
    "help_query": ("探すもの", "what to look for"),
    "help_ids": ("`hoshikage memory list` の ID", "as `hoshikage memory list` shows it"),
    "help_file": ("書き出すファイル", "the file to write"),
    "help_scope": (
        "誰の記憶か: local、token:名前、*（すべて）",
        "whose memory: local, token:NAME, or * for everybody's",
    ),
    "help_conversation": ("この会話のものだけ", "only this conversation's"),
    "list_empty": ("覚えているものはありません。", "Nothing is kept."),
    "list_id": ("ID", "ID"),
    "list_scope": ("誰の", "Scope"),
    "list_conversation": ("会話", "Conversation"),
    "list_time": ("時刻", "Time"),
    "list_role": ("役", "Role"),
    "list_text": ("文", "Text"),
    "forgotten": ("{count} 件を忘れました。", "{count} forgotten."),
    "bytes_may_stay": (
        "Chroma のサーバー {url} のファイルに文やベクトルが残らないとは約束できません。",
        "What the Chroma server at {url} leaves of text and vectors in its files is not known here.",
    ),
    "exported": ("{count} 件を {file} に書き出しました。", "{count} written to {file}."),
    "off": (
        "このサーバーは会話を覚えません。MEMORY=on で起動してください（docs/MEMORY.ja.md）。",
        "This server keeps no conversations. Start it with MEMORY=on (docs/MEMORY.md).",
    ),
    "not_kept": ("会話を覚えられませんでした: {reason}", "The conversation could not be kept: {reason}"),
    "not_open": ("記憶の保存先がまだ開いていません", "The store of memory is not open yet"),
    "too_slow": (
        "記憶が {ms} ms のうちに答えませんでした",
        "Memory did not answer within {ms} ms",
    ),
    "chroma_gone": (
        "Chroma のサーバー {url} が応えません（{reason}）",
        "The Chroma server at {url} does not answer ({reason})",
    ),
    "folder_busy": (
        "記憶のフォルダー {folder} は、ほかの星影が使っています。先に終わらせるか、CHROMA_PATH を変えてください。",
        "Another Hoshikage uses the memory folder {folder}. Stop it first, or set CHROMA_PATH to another folder.",
    ),
    "folder_unusable": (
        "記憶のフォルダー {folder} を使えません: {reason}",
        "The memory folder {folder} cannot be used: {reason}",
    ),
    "not_found": ("そのような記憶はありません: {name}", "There is no such memory: {name}"),
    "scope_refused": ("ほかの呼び手の記憶は見られません: {name}", "Another caller's memory is not to be seen: {name}"),
    "went_without": (
        "記憶を使わずに答えました: {reason}",
        "Answered without memory: {reason}",
    ),
    "no_embedding_model": (
        "記憶には埋め込みモデルが要ります。GGUF の埋め込みモデルを `hoshikage add ファイル ラベル` で登録して、"
        "EMBEDDING_MODEL にそのラベルを書いてください（docs/MEMORY.ja.md）。",
        "Memory needs an embedding model. Register a GGUF of one with `hoshikage add FILE LABEL`, and set "
        "EMBEDDING_MODEL to its label (docs/MEMORY.md).",
    ),
    "not_installed": (
        "記憶に要るパッケージがありません（{name}）。`pip install 'hoshikage[memory]'` で入れてください。",
        "What memory needs is not installed ({name}). Install it with `pip install 'hoshikage[memory]'`.",
    ),
    "no_sentence_transformers": (
        "SENTENCE_BERT_MODEL={name} には sentence-transformers が要ります。"
        "`pip install sentence-transformers` で入れるか、"
        "GGUF の埋め込みモデルを EMBEDDING_MODEL に設定してください。",
        "SENTENCE_BERT_MODEL={name} needs sentence-transformers. Install it with `pip install sentence-transformers`, "
        "or set EMBEDDING_MODEL to a GGUF embedding model.",
    ),
    "no_sentence_bert": (
        "SENTENCE_BERT_MODEL={name} のモデルがこのマシンにありません（ダウンロードはしません）: {reason}",
        "The model of SENTENCE_BERT_MODEL={name} is not on this machine (none is ever fetched): {reason}",
    ),
    "keeper_gone": (
        "記憶のプロセスが終わってしまいました（{reason}）",
        "The process of memory has ended ({reason})",
    ),
    "keeper_failed": ("記憶のプロセスでの失敗: {reason}", "The process of memory failed: {reason}"),
    "vector_unknown": ("文のベクトルがもうありません", "The vector of a sentence is no longer there"),
}
