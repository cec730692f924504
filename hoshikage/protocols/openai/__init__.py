"""Speaks OpenAI's API. A module of it is imported when its name is first used. No thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.protocols.openai import chat as chat
    from hoshikage.protocols.openai import completions as completions
    from hoshikage.protocols.openai import completions_schema as completions_schema
    from hoshikage.protocols.openai import embeddings as embeddings
    from hoshikage.protocols.openai import embeddings_schema as embeddings_schema
    from hoshikage.protocols.openai import lm_studio as lm_studio
    from hoshikage.protocols.openai import models as models
    from hoshikage.protocols.openai import responses as responses
    from hoshikage.protocols.openai import responses_schema as responses_schema
    from hoshikage.protocols.openai import transcriptions as transcriptions
    from hoshikage.protocols.openai import transcriptions_schema as transcriptions_schema
else:
    from hoshikage.protocols.on_demand import submodules

    __getattr__ = submodules(__name__)
