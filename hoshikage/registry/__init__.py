"""Keeps the registry of models: what a request can call by name. Any thread; many processes at once.

model_map.json, label -> GGUF file, stop strings and settings of its own:

    {"label": {"path": "folder", "model": "file.gguf", "stop": ["</s>"], "created": 1735689600,
               "n_ctx": 8192, "temperature": 0.7, "chat_template": "chatml", "thinking": false}}

`stop`, `created` (Unix time; else the GGUF's own) and the settings (options.OWN) may be absent. A relative `path`
or `chat_template` is taken from the working directory; where no such file is there, from the folder of
model_map.json. What this program does not know in an entry, and entries it cannot use, survive every write.

personas.json beside it, name -> model and system text:

    {"name": {"model": "label", "system": "You are …", "created": 1735689600, "temperature": 0.9}}

aliases.json beside it, further names of models and personas: {"gpt-4o": "label"}

Readers take no lock: a write replaces the file as a whole.
"""

from typing import Final

from hoshikage.registry.document import Issue
from hoshikage.registry.entries import Persona, checked_label
from hoshikage.registry.options import CHATML, NO_OPTIONS, OwnOptions, own_options, persona_options
from hoshikage.registry.store import ModelSpec, Registry
from hoshikage.registry.tags_file import UNUSABLE_TAGS, plain, read_tags, require_tags
from hoshikage.registry.template import ENDINGS as TEMPLATE_ENDINGS
from hoshikage.registry.template import is_file, is_jinja_name, read_template, template_name

__all__ = [
    "CHATML",
    "DEFAULT_STOPS",
    "NO_OPTIONS",
    "TEMPLATE_ENDINGS",
    "UNUSABLE_TAGS",
    "Issue",
    "ModelSpec",
    "OwnOptions",
    "Persona",
    "Registry",
    "checked_label",
    "is_file",
    "is_jinja_name",
    "own_options",
    "persona_options",
    "plain",
    "read_tags",
    "read_template",
    "require_tags",
    "template_name",
]

DEFAULT_STOPS: Final = ("<|im_start|>", "<|im_end|>", "</s>", "<|eot_id|>", "<|endoftext|>")
"""These control tokens end every model's answer, matched by token; a model's own stops come beside them."""
