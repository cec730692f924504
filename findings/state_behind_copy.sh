#!/usr/bin/env bash
# Guess: once llama_memory_seq_cp has returned, the second sequence is the first one's copy: whatever is asked of it is told
#   of the copy, and llama_state_seq_get_data saves it.
# What happens: where each sequence has a stream of its own (kv_unified = false, the default of llama_context_params), the
#   call only notes down that one buffer is to be copied into another; the next llama_decode does it. What
#   llama_state_seq_get_data saves in between has the copy's positions and the old bytes of its stream: no call fails, the
#   sizes are right, llama_memory_seq_pos_max tells the copy's end, and a text that goes on from what was saved is wrong.
#   After any decode in between, even of another sequence, what is saved is right; and so it is with kv_unified = true,
#   where both sequences have the same cells. Of a hybrid model (LFM2) LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY saves what is
#   right, for that part is copied at once.
# Seen, 28 November 2026 (Linux x86-64, CPU, gguf 0.19.0; how far the next token's logits are from those of a text that was
#   computed alone, of a size of about 1):
#   3.18.1 (b8390), 3.22.1 (v0.5.0)   streams, at once: 0.5 and more    streams, after a decode: < 0.01    unified: < 0.01
# Needs: npm, tar, python3, Linux x86-64; it fetches two packages from npm (19 MB) and gguf with what that needs from PyPI
#   (19 MB with Python 3.11). Exits 0 where it is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "gguf==0.19.0"
for version in 3.18.1 3.22.1; do
    mkdir "$folder/$version"
    (cd "$folder/$version" && npm pack --silent "@node-llama-cpp/linux-x64@$version" >/dev/null && tar xzf ./*.tgz)
done
cat > "$folder/write.py" <<'PYTHON'
import sys
import gguf
import numpy as np

N_VOCAB, WIDTH, INNER, HEADS = 200, 64, 128, 2
out, draw = gguf.GGUFWriter(sys.argv[1], "llama"), np.random.default_rng(0)
out.add_context_length(512)
out.add_embedding_length(WIDTH)
out.add_block_count(2)
out.add_feed_forward_length(INNER)
out.add_head_count(HEADS)
out.add_layer_norm_rms_eps(1e-5)
out.add_rope_dimension_count(WIDTH // HEADS)
out.add_tokenizer_model("llama")
special = ["<unk>", "<s>", "</s>"]
out.add_token_list(special + [f"\u2581t{number}" for number in range(len(special), N_VOCAB)])
out.add_token_scores([0.0] * N_VOCAB)
out.add_token_types([2, 3, 3] + [1] * (N_VOCAB - len(special)))
shapes = {"token_embd": (N_VOCAB, WIDTH), "output": (N_VOCAB, WIDTH)}
for layer in range(2):
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes[f"blk.{layer}.{name}"] = (WIDTH, WIDTH)
    shapes |= {f"blk.{layer}.{name}": (INNER, WIDTH) for name in ("ffn_gate", "ffn_up")}
    shapes[f"blk.{layer}.ffn_down"] = (WIDTH, INNER)
for name, shape in shapes.items():
    out.add_tensor(f"{name}.weight", draw.standard_normal(shape, np.float32) * 2 / shape[-1] ** 0.5)
for name in ("output_norm", *(f"blk.{layer}.{part}_norm" for layer in range(2) for part in ("attn", "ffn"))):
    out.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
PYTHON
cat > "$folder/go_on.py" <<'PYTHON'
import ctypes as c
import sys
from pathlib import Path

libraries, model, unified_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
TEXT, NEXT, OTHER = list(range(10, 22)), 42, [77, 78, 79]

class Params(c.Structure):
    """Whatever its fields are: the library's own defaults come and go by value, and are shorter than this."""
    _fields_ = [("bytes", c.c_char * 512)]

class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.c_void_p),
                ("pos", c.POINTER(c.c_int32)), ("n_seq_id", c.POINTER(c.c_int32)),
                ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]

def opened(pattern):
    return c.CDLL(str(next(libraries.glob(pattern))), c.RTLD_GLOBAL)

opened("libggml-base*.so")
ggml, llama = opened("libggml.*so"), opened("libllama.*so")

def call(name, result, *arguments, of=llama):
    function = getattr(of, name)
    function.restype, function.argtypes = result, [kind for kind, _ in arguments]
    return function(*(value for _, value in arguments))

silent = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)(lambda *_: None)
call("llama_log_set", None, (c.c_void_p, c.cast(silent, c.c_void_p)), (c.c_void_p, None))
call("ggml_backend_load_all_from_path", None, (c.c_char_p, str(libraries).encode()), of=ggml)
call("llama_backend_init", None)
params = call("llama_model_default_params", Params)
loaded = call("llama_model_load_from_file", c.c_void_p, (c.c_char_p, model.encode()), (Params, params))
vocab = call("llama_model_get_vocab", c.c_void_p, (c.c_void_p, loaded))
n_vocab = call("llama_vocab_n_tokens", c.c_int32, (c.c_void_p, vocab))
batch = call("llama_batch_init", Batch, (c.c_int32, 64), (c.c_int32, 0), (c.c_int32, 1))

def context(unified):
    params = call("llama_context_default_params", Params)
    numbers = c.cast(c.pointer(params), c.POINTER(c.c_uint32))
    numbers[0], numbers[3] = 512, 2  # n_ctx, n_seq_max
    c.cast(c.pointer(params), c.POINTER(c.c_uint8))[unified_at] = unified
    return call("llama_init_from_model", c.c_void_p, (c.c_void_p, loaded), (Params, params))

def decode(made, tokens, begin, sequence):
    """The last token's logits."""
    for place, token in enumerate(tokens):
        batch.token[place], batch.pos[place], batch.n_seq_id[place] = token, begin + place, 1
        batch.seq_id[place][0], batch.logits[place] = sequence, 1
    batch.n_tokens = len(tokens)
    assert call("llama_decode", c.c_int32, (c.c_void_p, made), (Batch, batch)) == 0
    last = (c.c_int32, len(tokens) - 1)
    return call("llama_get_logits_ith", c.POINTER(c.c_float), (c.c_void_p, made), last)[:n_vocab]

alone = decode(context(0), [*TEXT, NEXT], 0, 0)
for unified in (0, 1):
    for at_once in (True, False):
        made = context(unified)
        memory = call("llama_get_memory", c.c_void_p, (c.c_void_p, made))
        decode(made, TEXT, 0, 0)
        numbers = [(c.c_int32, number) for number in (0, 1, -1, -1)]
        call("llama_memory_seq_cp", None, (c.c_void_p, memory), *numbers)
        if not at_once:
            decode(made, [NEXT], len(TEXT), 0)
        assert call("llama_memory_seq_pos_max", c.c_int32, (c.c_void_p, memory), (c.c_int32, 1)) == len(TEXT) - 1
        size = call("llama_state_seq_get_size", c.c_size_t, (c.c_void_p, made), (c.c_int32, 1))
        saved = (c.c_uint8 * size)()
        where = (c.c_void_p, c.addressof(saved)), (c.c_size_t, size), (c.c_int32, 1)
        assert call("llama_state_seq_get_data", c.c_size_t, (c.c_void_p, made), *where) == size
        decode(made, OTHER, len(TEXT), 1)  # something else, and back to what was saved
        assert call("llama_state_seq_set_data", c.c_size_t, (c.c_void_p, made), *where) == size
        gone_on = decode(made, [NEXT], len(TEXT), 1)
        off = max(abs(one - other) for one, other in zip(gone_on, alone))
        wrong = unified == 0 and at_once
        print("unified" if unified else "streams", "at once" if at_once else "after a decode", f"{off:.4f}", end="; ")
        assert (off > 0.3) if wrong else (off < 0.01), "it has changed"
print()
PYTHON
"$folder/venv/bin/python" "$folder/write.py" "$folder/model.gguf"
as_told=0
for version in 3.18.1:117 3.22.1:133; do  # and where kv_unified lies in that release's llama_context_params
    libraries=$(dirname "$(find "$folder/${version%:*}" -name 'libllama.*so' | head -n 1)")
    echo "${version%:*}"
    python3 "$folder/go_on.py" "$libraries" "$folder/model.gguf" "${version#*:}" || as_told=1
done
exit "$as_told"
