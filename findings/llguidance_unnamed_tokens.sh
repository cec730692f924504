#!/usr/bin/env bash
# Guess: a special token is told to llguidance by its id (special_token_ids), and a grammar names it by that id, as
#   <[257]>; so it does not matter which bytes the vocabulary has for it, and a tokenizer may give it none.
# What happens: where a grammar lets one special token come, the mask also lets through every special token without bytes
#   of its own. Drawing such a one is refused when it is consumed ("doesn't satisfy the grammar"), and ends the answer.
#   With any bytes for each, such as its name, the mask has the one that was meant and no other.
# Why it matters: the library's way to turn a token into text gives control tokens no bytes, so that a wrapper that asks it
#   for every token's bytes is right for all grammars of text, and wrong for those with special tokens alone.
# Seen, 28 November 2026 (Linux x86-64, llguidance 1.9.1): with names the mask has 97 and 257; without, 256 and 258, too.
# Needs: python3; it fetches llguidance and numpy from PyPI. Exits 0 where it is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "llguidance==1.9.1" numpy
cat > "$folder/masks.py" <<'PYTHON'
import sys

import numpy as np
from llguidance import LLMatcher, LLTokenizer


class Vocabulary:
    """Every byte, three special tokens, and an end."""

    is_tokenizer_wrapper, bos_token_id, eos_token_id = True, None, 259
    special_token_ids = (256, 257, 258)

    def __init__(self, names):
        self.tokens = [bytes([byte]) for byte in range(256)] + list(names) + [b""]

    def __call__(self, text):
        return list(text.encode())


def allowed(names):
    matcher = LLMatcher(
        LLTokenizer(Vocabulary(names)), LLMatcher.grammar_from_lark('%llguidance {}\nstart: "a"? <[257]> "b"\n')
    )
    bits = np.zeros(9, np.int32)
    matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
    mask = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).tolist()
    return mask, [token for token in mask if matcher.validate_tokens([token]) == 1]


named, unnamed = allowed([b"<x>", b"<y>", b"<z>"]), allowed([b"", b"", b""])
print("with names: the mask has", named[0], "of which fit", named[1])
print("without: the mask has", unnamed[0], "of which fit", unnamed[1])
sys.exit(0 if (named, unnamed) == (([97, 257], [97, 257]), ([97, 256, 257, 258], [97, 257])) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/masks.py"
