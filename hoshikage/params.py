"""Defines request and load values that every floor shares. Any thread."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from hoshikage.adapter_set import NO_ADAPTERS as NO_ADAPTERS
from hoshikage.adapter_set import AdapterSet as AdapterSet
from hoshikage.adapter_set import Scaled as Scaled
from hoshikage.frozen import Frozen
from hoshikage.holds import Grammar as Grammar
from hoshikage.holds import HeldCalls as HeldCalls
from hoshikage.holds import ThoughtBudget as ThoughtBudget
from hoshikage.medium import MAX_PIXELS as MAX_PIXELS
from hoshikage.medium import MAX_SOUND_S as MAX_SOUND_S
from hoshikage.medium import Medium as Medium

AUTO_LAYERS = -2
"""`n_gpu_layers` has this value for as many as fit."""
AUTO_DISTANCE = -1.0
RANDOM_SEED = 0xFFFFFFFF
"""This is llama.h's LLAMA_DEFAULT_SEED: the library draws a seed of its own."""
SCHEMA_MARK = "x-hoshikage"
"""A schema inside of another has this keyword: `place` (in the request) and `strict` (as in Grammar)."""
Overflow = Literal["error", "shift"]
FORBIDDEN = -100.0
"""This bias is how OpenAI's interface bans a token."""

SAMPLER_ORDER = (
    "penalties", "dry", "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc", "temperature",
)  # fmt: skip
"""`SamplingParams.samplers` is this unless it is given, in llama.cpp's own order; the draw comes behind the last."""
SAMPLERS = (*SAMPLER_ORDER, "infill")
"""All of these can stand there."""


class SamplingParams(Frozen, frozen=True):
    """These say how the next token is chosen. Neutral values switch a sampler off, as in llama.h."""

    temperature: float = 0.2
    """0 takes the likeliest token."""
    dynatemp_range: float = 0.0
    """The temperature moves by so much up and down with the entropy; 0 is off."""
    dynatemp_exponent: float = 1.0
    top_p: float = 0.8
    """1 is off."""
    top_k: int = 40
    """0 is off."""
    min_p: float = 0.0
    """0 is off."""
    typical_p: float = 1.0
    """1 is off."""
    min_keep: int = 0
    """`min_keep` is the least number of tokens that `typical_p`, `top_p`, `min_p` and XTC leave."""
    top_n_sigma: float = -1.0
    """0 and below is off."""
    xtc_probability: float = 0.0
    """0 is off."""
    xtc_threshold: float = 0.1
    """Above 0.5 is off."""
    repeat_penalty: float = 1.0
    """1 is off."""
    repeat_last_n: int = 64
    """How many last tokens the three penalties look at; -1 is the whole context."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    dry_multiplier: float = 0.0
    """0 is off."""
    dry_base: float = 1.75
    """Below 1 is off."""
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = -1
    """How many last tokens DRY looks at; -1 is the whole context, 0 is off."""
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    """1 or 2 takes the place of all samplers that cut the choice; 0 is off."""
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    adaptive_target: float = -1.0
    """The draw prefers tokens near this probability; below 0 is off."""
    adaptive_decay: float = 0.9
    """It says how far that looks back: at about 1 / (1 - decay) tokens."""
    samplers: tuple[str, ...] = SAMPLER_ORDER
    """These samplers are used, in this order; the rest is off."""
    logit_bias: tuple[tuple[int | str, float], ...] = ()
    """A token's id stands here, or a text whose tokens are meant, and what is added to the logit; FORBIDDEN forbids."""
    ignore_eos: bool = False
    """The model may not end its answer."""
    seed: int = RANDOM_SEED
    """`seed` is from 0 to 2**32 - 1."""


class Message(Frozen, frozen=True):
    """This is one turn of a chat. `role` is as the template knows it (`developer` has become `system`)."""

    role: str
    content: str | None
    """`content` is None where an assistant only called tools, which templates tell from an empty text."""
    extra: dict[str, Any] = field(default_factory=dict)
    """`extra` is what templates may also read of a message, such as `name` or `tool_calls`."""


class ChatPrompt(Frozen, frozen=True, array_like=True, tag="chat"):
    """These turns are rendered by the model's own chat template."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    template_kwargs: dict[str, Any] = field(default_factory=dict)
    lead: str = ""
    """The answer has begun with `lead` already, behind the template's text; texts of control tokens become those."""
    before: tuple[int, ...] = ()
    """`before` holds the tokens of what was said before, in front of the template's text."""
    media: tuple[Medium, ...] = ()
    """`media` are what the marks in the contents stand for, each once, in the order of the messages."""


# Of several kinds in one place each has a tag, so that a frame tells them apart.


class TextPrompt(Struct, frozen=True, array_like=True, tag="text"):
    """This is text as it stands: control tokens in it are such. BOS comes in front where the model wants it."""

    text: str
    media: tuple[Medium, ...] = ()
    """`media` are as in ChatPrompt."""


class TokenPrompt(Struct, frozen=True, array_like=True, tag="tokens"):
    """These are tokens as they stand; nothing is put in front."""

    tokens: tuple[int, ...]


class MixedPrompt(Struct, frozen=True, array_like=True, tag="mixed"):
    """These are texts and tokens one behind the other, as they stand. BOS is put in front where the model wants it."""

    parts: tuple[str | int, ...]


class InfillPrompt(Struct, frozen=True, array_like=True, tag="infill"):
    """These texts stand before and behind the answer, for models with fill-in-the-middle tokens."""

    prefix: str
    suffix: str
    files: tuple[tuple[str, str], ...] = ()
    """`files` has name and text of other files of the same work."""
    param: str = "suffix"
    """`param` is the request's field, for refusals."""


Prompt = ChatPrompt | TextPrompt | TokenPrompt | MixedPrompt | InfillPrompt


class GenerationRequest(Frozen, frozen=True, array_like=True, tag="generate"):
    """This is one job for the engine thread."""

    prompt: Prompt
    sampling: SamplingParams = SamplingParams()
    max_tokens: int | None = None
    """None is as much as the context holds."""
    stop: tuple[str, ...] = ()
    """`stop` is matched as text, the earliest in the text first; never part of the answer."""
    stop_tokens: tuple[str, ...] = ()
    """`stop_tokens` are texts of control tokens that end the answer, matched by token id alone."""
    special_text: tuple[str, ...] = ()
    """`special_text` has texts of control tokens that appear in the answer's text, where others have none."""
    choices: int = 1
    """The one prompt gets so many answers; that of number i is drawn with seed + i."""
    grammar: Grammar | None = None
    thoughts: ThoughtBudget | None = None
    calls: HeldCalls | None = None
    """`calls` do not stand beside a grammar."""
    logprobs: int | None = None
    """`logprobs` is how many of the likeliest tokens are told beside each chosen one; None for no log probabilities."""
    echo: bool = False
    """The prompt is told, too, as text; with its log probabilities where those are asked for."""
    cache_prompt: bool | None = None
    """`cache_prompt` lets KV memory of an earlier prompt's beginning be used, and this one's be kept; None: as
    loaded."""
    context_overflow: Overflow | None = None
    """`context_overflow` says what becomes of a chat longer than the context; None as the model was loaded with."""
    lora: tuple[Scaled, ...] | None = None
    control_vectors: tuple[Scaled, ...] | None = None
    """`lora` and `control_vectors` are what it is computed with; None is as the model was loaded."""
    scope: str = ""
    """The scope names whose request it is. What is kept of one scope's prompts is never used for another's."""
    slot: int | None = None
    """`slot` is the sequence that it shall have, whose kept prefix it then uses alone; None or no such is any."""
    whole: bool = False
    """Nobody sees a part of the answer before its end: its text may come in few pieces."""
    return_tokens: bool = False
    """The answer's tokens are told beside its text."""
    return_prompt: bool = False
    """The prompt's tokens are told, too."""
    max_answer_ms: int | None = None
    """The answer ends after so long, once it has a line break; None is no bound."""
    max_prompt_ms: int | None = None
    """A prompt that takes more milliseconds has no answer; what is computed may be kept. None is no bound."""
    n_indent: int = 0
    """The answer ends before a further line that is indented by less."""
    drawn: bool = False
    """The log probabilities are those that the token was drawn by, not the model's own."""

    @property
    def chat(self) -> ChatPrompt:
        """Gives the prompt of a request that is one of a chat."""
        assert isinstance(self.prompt, ChatPrompt)
        return self.prompt


class Tokenization(Struct, frozen=True, array_like=True, tag="tokenize"):
    """The task is answered by wire.Tokens."""

    text: str
    add_special: bool
    """`add_special` adds what the model wants in front of a text and behind it, such as BOS."""
    parse_special: bool


class Measuring(Struct, frozen=True, array_like=True, tag="measure"):
    """This asks how many tokens each text has, without those that go around it. Answered by one wire.Counts."""

    texts: tuple[str, ...]


class Detokenization(Struct, frozen=True, array_like=True, tag="detokenize"):
    """The task is answered by wire.Text."""

    tokens: tuple[int, ...]


class Rendering(Struct, frozen=True, array_like=True, tag="render"):
    """This asks what the chat template makes of a conversation. Answered by wire.Text."""

    prompt: ChatPrompt


class Counting(Struct, frozen=True, array_like=True, tag="count"):
    """This asks how many tokens the request's prompt has. Answered by Finished alone."""

    request: GenerationRequest


class Embedding(Struct, frozen=True, array_like=True, tag="embed"):
    """The task is answered by one wire.Vector for each input. Its adapters are as in a GenerationRequest."""

    inputs: tuple[str | tuple[int | str, ...], ...]
    """Each is a text, or tokens and texts one behind the other."""
    dimensions: int | None = None
    """Each vector is cut to this many of its first numbers; None keeps all."""
    cut: bool = False
    """`cut` tells whether a text that is too long is cut; else it is refused."""
    lora: tuple[Scaled, ...] | None = None
    control_vectors: tuple[Scaled, ...] | None = None


class Ranking(Struct, frozen=True, array_like=True, tag="rank"):
    """This asks how well each document answers the query. Answered by one wire.Score for each, in their order."""

    query: str
    documents: tuple[str, ...]
    cut: Literal["", "right", "left"] = ""
    """A document that is too long is cut at this end; empty refuses it."""
    param: str = "documents"
    """`param` is the request's field, for refusals."""
    lora: tuple[Scaled, ...] | None = None
    control_vectors: tuple[Scaled, ...] | None = None


class SlotTask(Struct, frozen=True, array_like=True, tag="slot"):
    """Saves what one sequence holds to a file, restores it from one, or empties it. Answered by one wire.SlotDone."""

    action: Literal["save", "restore", "erase"]
    number: int
    path: str = ""
    """`path` is the file: an empty one to save to."""


WordTask = Tokenization | Detokenization | Rendering | Counting | Measuring
"""These tasks need a model's vocabulary and template alone."""
Task = WordTask | Embedding | Ranking | SlotTask
"""A loaded model is asked for these beside an answer."""
Work = GenerationRequest | Task


def media_of(prompt: Prompt) -> tuple[Medium, ...]:
    """Returns the pictures and sounds of a prompt."""
    return prompt.media if isinstance(prompt, ChatPrompt | TextPrompt) else ()


def needs_words_alone(work: Work | None) -> bool:
    """Returns whether a vocabulary and a template suffice for it. What a picture becomes only its projector knows."""
    if isinstance(work, Counting):
        return not media_of(work.request.prompt)
    return isinstance(work, WordTask)


class LoadParams(Frozen, frozen=True):
    """A runner needs these to load one model with the library that it was started with."""

    model_path: str
    n_ctx: int = 4096
    """`n_ctx` is the upper bound in tokens; a model trained on less gets what it was trained on."""
    n_batch: int = 512
    """`n_batch` counts the prompt tokens per decode: the longest wait for a cancel without an abort callback."""
    n_ubatch: int = 0
    """`n_ubatch` counts the prompt tokens that are computed at a time; 0 is n_batch, at most 512."""
    n_gpu_layers: int = -1
    """-1 is all, AUTO_LAYERS as many as fit."""
    fewer_layers_than: int | None = None
    """AUTO_LAYERS tries fewer, the output counted as one: with so many, a first decode ended the process."""
    main_gpu: int | None = None
    """`main_gpu` is the one GPU that the whole model goes to; None divides it among all."""
    tensor_split: tuple[float, ...] = ()
    """`tensor_split` has the shares of the GPUs, in their order; empty leaves them to the library."""
    split_mode: str = "auto"
    """`split_mode` says how several GPUs share the model: `layer` by layers, `row` and `tensor` within them, `none` not
    at all. `auto` is `none` where `main_gpu` names the one, else as the library does it."""
    override_tensor: tuple[tuple[str, str], ...] = ()
    """Regular expressions of tensors' names, and the buffers that those lie in; the first that fits counts."""
    cpu_moe: bool = False
    """The experts' weights stay in main memory."""
    n_cpu_moe: int = 0
    """The experts' weights of so many first layers stay there."""
    kv_offload: bool = True
    """The KV memory lies with its layers, on the GPU where they are."""
    no_host: bool = False
    """`no_host` keeps weights on the CPU out of memory that a GPU's driver has pinned."""
    repack: bool = True
    """Weights may be rearranged for the processor while they are loaded: a slower load, and mostly faster tokens."""
    rpc_servers: tuple[str, ...] = ()
    """`rpc_servers` are other machines whose devices take part, each `host:port` of ggml's RPC server."""
    flash_attn: str = "auto"
    """`flash_attn` is `auto`, `on` or `off`."""
    type_k: str = "f16"
    type_v: str = "f16"
    """`type_k` and `type_v` say how the KV memory is stored: `f16`, `q8_0` or `q4_0`."""
    use_mmap: bool = True
    use_mlock: bool = False
    require_gpu: bool = False
    """Refuses a load that would compute on the CPU alone."""
    n_threads: int = 0
    """0 is as many as the physical cores the process may use, one fewer where other programs compute."""
    n_threads_batch: int = 0
    """Prompts are computed with this many threads; 0 stands for `n_threads`."""
    n_parallel: int = 1
    """One decode has so many sequences at most. They share the KV memory of n_ctx tokens."""
    kv_reuse: str = "off"
    """`kv_reuse` is `off`, or `prefix`: a prompt's KV memory is kept for the next one that begins alike."""
    checkpoint_memory: int = 512
    """Copies of texts' states may take this many MiB together, where a kept memory cannot be cut; 0 makes none."""
    checkpoint_tokens: int = 1024
    """A copy is made behind so many tokens, and at the ends of turns; 0 makes them at those alone."""
    deterministic: bool = False
    """The same request gives the same answer to the bit: nothing that is computed depends on other requests."""
    speculation: str = "off"
    """`speculation` is `off`, or `lookup`: tokens are guessed from what the text repeats, and checked at once."""
    vocab_only: bool = False
    """Only what `WordTask` needs is loaded: the vocabulary and the metadata."""
    draft_path: str = ""
    """`draft_path` is a small model of the same vocabulary that guesses the next tokens; empty for none."""
    mmproj: str = ""
    """`mmproj` is a projector: what makes pictures and sounds into what the model reads; empty for none."""
    rope_scaling: str = "auto"
    """`rope_scaling` says how positions beyond those of the training are told: `none`, `linear`, `yarn`; `auto` is as
    the GGUF says, and the context is no longer than the training's."""
    rope_scale: float = 1.0
    """The context may have so many times the training's length, where `rope_scaling` is not `auto`."""
    context_overflow: Overflow = "error"
    """`context_overflow` is `shift`: the oldest turns of a too long chat are left out, or `error`: it is refused."""
    lora: tuple[Scaled, ...] = ()
    """`lora` has adapters that are loaded with the model and used where a request names none."""
    control_vectors: tuple[Scaled, ...] = ()
    """`control_vectors` has files of control vectors, whose sum is added to what the layers make."""
    chat_template: str | None = None
    """`chat_template` is Jinja source in place of the GGUF's own; empty for ChatML."""
    template_name: str = ""
    """`template_name` is the GGUF's own that writes every chat; empty: `tool_use` those with tools, else `default`."""
    controls: tuple[int, ...] | None = None
    """The GGUF types these tokens as CONTROL, which the library does not tell; None where that is not known."""
    whole_windows: bool | None = None
    """gguf.keeps_windows says this of the model's header; None where nobody has read it, which takes a while."""

    def fitting_ctx(self, n_ctx_train: int) -> int:
        """Returns the context's length for a model that was trained with so many tokens; 0 where that is unknown."""
        scale = 1.0 if self.rope_scaling == "auto" else self.rope_scale
        return min(self.n_ctx, int(n_ctx_train * scale)) if n_ctx_train > 0 else self.n_ctx
