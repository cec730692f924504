"""Names the states of a model's place in memory. Values; any thread."""

from __future__ import annotations

from enum import Enum


class ModelState(str, Enum):
    """A lane has one of these states: `Lifecycle` alone changes it.

    unloaded -> loading      a request, PRELOAD or `load` asks for a model
    loading -> ready         the runner has told of the model
    loading -> unloaded      the load failed, or was called off
    ready -> unloading       it was idle, another is wanted, or somebody asked for its end
    ready -> unloaded        the runner crashed
    unloading -> unloaded    the runner has ended, and what it gave back is measured
    unloading -> loading     the model that is wanted instead
    """

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"

    @classmethod
    def of(cls, *, ready: bool, loading: bool) -> ModelState:
        """Returns the state of a lane that gives nothing back."""
        return cls.READY if ready else cls.LOADING if loading else cls.UNLOADED
