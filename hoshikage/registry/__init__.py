"""The registry of models: model_map.json, label -> GGUF file and stop strings. Any thread; many processes at once.

    {"label": {"path": "folder", "model": "file.gguf", "stop": ["</s>"], "created": 1735689600}}

`stop` and `created` (Unix time; else the GGUF's own) may be absent. A relative `path` is taken from the working
directory; where no such model is there, from the folder of model_map.json. What this program does not know in an
entry, and entries it cannot use, survive every write.

Readers take no lock: a write replaces the file as a whole. A file that cannot be read is never written over: a copy
of it is kept aside under a dated name, and the last good state (this process's, else the one kept at the last
write) is used until it is mended.
"""

from typing import Final

from hoshikage.registry.entries import Problem, checked_label
from hoshikage.registry.store import ModelSpec, Registry

__all__ = ["DEFAULT_STOPS", "ModelSpec", "Problem", "Registry", "checked_label"]

DEFAULT_STOPS: Final = ("<|im_start|>", "<|im_end|>", "</s>", "<|eot_id|>", "<|endoftext|>")
"""Control tokens that end every model's answer, matched by token; a model's own stops come beside them."""
