"""The whole tree of errors a user can meet, each with its HTTP status, type and code.

    HoshikageError                    500 server_error             internal_error
      InvalidRequest                  400 invalid_request_error    validation_error
        ParameterUnsupported          400 invalid_request_error    unsupported_parameter
        ContextLengthExceeded         400 exceed_context_size_error context_length_exceeded
        TemplateRefused               400 invalid_request_error    template_refused
        ModelLoadFailed               400 invalid_request_error    model_load_failed
        RequestCrashedModel           400 invalid_request_error    request_crashed_model
        EmbeddingModelNeeded          400 invalid_request_error    validation_error
      AuthenticationFailed            401 authentication_error     invalid_api_key
      PermissionRefused               403 permission_error         permission_denied
      NotFound                        404 not_found_error          not_found
        ModelNotFound                 404 not_found_error          model_not_found
        MemoryNotFound                404 not_found_error          memory_not_found
      MethodNotAllowed                405 invalid_request_error    method_not_allowed
      RequestTimedOut                 408 invalid_request_error    request_timeout
      BodyTooLarge                    413 invalid_request_error    body_too_large
      UnsupportedMediaType            415 invalid_request_error    unsupported_media_type
      QueueFull                       429 rate_limit_error         queue_full
      RateLimited                     429 rate_limit_error         rate_limit_exceeded
      InferenceFailed                 500 server_error             inference_failed
        KvMemoryFull                  500 server_error             inference_failed
        ModelCrashed                  500 server_error             model_crashed
      NotSupported                    501 not_supported_error      not_supported
      Unavailable                     503 unavailable_error        unavailable
        QueueTimeout                  503 unavailable_error        processing_timeout
        LibraryUnavailable            503 unavailable_error        library_unavailable
        OutOfMemory                   503 unavailable_error        out_of_memory
        ModelQuarantined              503 unavailable_error        model_quarantined
        ShuttingDown                  503 unavailable_error        shutting_down
      UsageError                      400 invalid_request_error    usage_error (commands: exit status 2)
        SettingInvalid
        RegistryDamaged
        GgufInvalid
        InstallFailed

An error holds a key of the message catalogue and the values to fill in, never finished text: the language is
chosen where the text is shown (`hoshikage.messages.text(language, error.key, **error.details)`).
A damaged model file is deterministic, so it is a 400: SDKs retry every 5xx.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import ClassVar, TypeVar

Detail = str | int | float
Kind = TypeVar("Kind", bound="HoshikageError")


class HoshikageError(Exception):
    """This is the root of the tree. `key` names the text, `details` fill it, `param` is the request field at fault."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"

    def __init__(
        self, key: str, /, *, param: str | None = None, retry_after: int | None = None, **details: Detail
    ) -> None:
        super().__init__(key)
        self.key = key
        self.param = param
        self.retry_after = retry_after
        self.details: dict[str, Detail] = details

    @classmethod
    def of(cls: builtins.type[Kind], key: str, details: Mapping[str, Detail], *, param: str | None = None) -> Kind:
        """Makes an error whose details are already in a mapping, as they come from a file or another process."""
        error = cls(key, param=param)
        error.details = dict(details)
        return error

    def __str__(self) -> str:
        filled = " ".join(f"{name}={value!r}" for name, value in self.details.items())
        return f"{self.key} {filled}".rstrip()


class InvalidRequest(HoshikageError):
    """The request is wrong; sent again unchanged, it would be wrong again."""

    status, type, code = 400, "invalid_request_error", "validation_error"


class ParameterUnsupported(InvalidRequest):
    """A field that OpenAI knows and this version cannot honour: refused, never ignored."""

    code = "unsupported_parameter"


class BodyEmpty(InvalidRequest):
    """The request has no body, and its route needs one."""


class ContextLengthExceeded(InvalidRequest):
    """Details `n_prompt_tokens` and `n_ctx` are copied into the error body."""

    type, code = "exceed_context_size_error", "context_length_exceeded"


class TemplateRefused(InvalidRequest):
    """The model's chat template does not take this conversation."""

    code = "template_refused"


class ModelLoadFailed(InvalidRequest):
    """The library could not load the model."""

    code = "model_load_failed"


class EmbeddingModelNeeded(InvalidRequest):
    """Memory is asked for and nothing makes its vectors."""


class RequestCrashedModel(InvalidRequest):
    """The same request has ended a runner before."""

    code = "request_crashed_model"


class AuthenticationFailed(HoshikageError):
    """The caller has shown no token that is known."""

    status, type, code = 401, "authentication_error", "invalid_api_key"


class PermissionRefused(HoshikageError):
    """The caller's token, or the page that it asks from, does not allow this."""

    status, type, code = 403, "permission_error", "permission_denied"


class NotFound(HoshikageError):
    """What the request names is not there."""

    status, type, code = 404, "not_found_error", "not_found"


class ModelNotFound(NotFound):
    """No model has that name."""

    code = "model_not_found"


class MemoryNotFound(NotFound):
    """No memory has that name."""

    code = "memory_not_found"


class MethodNotAllowed(HoshikageError):
    """The path has no such method."""

    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class RequestTimedOut(HoshikageError):
    """The client took too long to send its request."""

    status, type, code = 408, "invalid_request_error", "request_timeout"


class BodyTooLarge(HoshikageError):
    """The request's body is larger than a server takes."""

    status, type, code = 413, "invalid_request_error", "body_too_large"


class UnsupportedMediaType(HoshikageError):
    """The body is of a type that its route does not take."""

    status, type, code = 415, "invalid_request_error", "unsupported_media_type"


class QueueFull(HoshikageError):
    """The queue is full."""

    status, type, code = 429, "rate_limit_error", "queue_full"


class RateLimited(HoshikageError):
    """A caller's own limit is reached, where QueueFull is everybody's."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


class InferenceFailed(HoshikageError):
    """The engine could not compute the answer."""

    code = "inference_failed"


class KvMemoryFull(InferenceFailed):
    """The cells of the KV memory do not suffice for the batch; nothing of it was computed."""


class ModelCrashed(InferenceFailed):
    """The model's process ended in the midst of its work."""

    code = "model_crashed"
    suspect = False
    """Whether this request may have done it, beside others."""
    final = False
    """`final` tells whether it has done it for certain: the same request would do it again."""


class NotSupported(HoshikageError):
    """The library, the model or this system cannot do what is asked for."""

    status, type, code = 501, "not_supported_error", "not_supported"


class Unavailable(HoshikageError):
    """The server cannot do it now, and perhaps can later."""

    status, type, code = 503, "unavailable_error", "unavailable"


class QueueTimeout(Unavailable):
    """The request has waited for its turn as long as one may."""

    code = "processing_timeout"


class LoadNotTried(Unavailable):
    """No model and no library is at fault: the load was called off, or no process could be started."""


class GpuNotSeen(Unavailable):
    """A library is good, and computes on the CPU although a GPU was asked for."""


class LibraryUnavailable(Unavailable):
    """There is no libllama that can be used."""

    code = "library_unavailable"


class NoLibraryTried(LibraryUnavailable):
    """There is no library that could be at fault, or none that holds still."""


class LibraryMissing(NoLibraryTried):
    """No place that is searched has a library."""


class LibraryUnloadable(LibraryUnavailable):
    """The system's loader refuses the file."""


class LibraryCrashed(LibraryUnavailable):
    """The process that examined the library has ended without a verdict."""


class NoBackend(LibraryUnavailable):
    """The library finds nothing that computes beside it."""


class FunctionsMissing(LibraryUnavailable):
    """The library lacks functions that every supported release has."""


class LayoutUnknown(LibraryUnavailable):
    """The library's structures are in no table."""


class OutOfMemory(Unavailable):
    """The memory does not suffice."""

    code = "out_of_memory"


class ModelQuarantined(Unavailable):
    """The model has ended its process again and again, and is left alone for a while."""

    code = "model_quarantined"


class ShuttingDown(Unavailable):
    """The server is about to end and takes no more requests."""

    code = "shutting_down"


class UsageError(HoshikageError):
    """Commands raise this, and what a command has a server do; `exit_status` is the process's."""

    status, type, code = 400, "invalid_request_error", "usage_error"
    exit_status: ClassVar[int] = 2


class SettingInvalid(UsageError):
    """A setting has a value that it cannot have."""

    code = "setting_invalid"


class RegistryDamaged(UsageError):
    """The list of models cannot be read as one."""

    code = "registry_damaged"


class RegistryUnreadable(RegistryDamaged):
    """The system does not let this user read the file; nothing says that it is damaged."""


class GgufInvalid(UsageError):
    """The file is no GGUF that can be used."""

    code = "gguf_invalid"


class GgufMissing(GgufInvalid):
    """There is no such file."""


class InstallFailed(UsageError):
    """The library could not be installed; the former one is still there."""

    code = "install_failed"
    exit_status = 1


def by_name(name: str) -> type[HoshikageError]:
    """Returns the class of that name in the tree; the root for a name that is not in it (a runner is not trusted)."""
    pending = [HoshikageError]
    while pending:
        kind = pending.pop()
        if kind.__name__ == name:
            return kind
        pending.extend(kind.__subclasses__())
    return HoshikageError
