"""Decides who asks, and whether they may: access tokens against what the resolved route needs. Event loop thread.

A route that has no row in the table needs an admin token; a URL that does not exist is told of only to those who may
use the API.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal

from aiohttp import web

from hoshikage.access import local_admin
from hoshikage.access.tokens import AccessToken, TokenStore
from hoshikage.errors import AuthenticationFailed, PermissionRefused, UsageError
from hoshikage.frozen import Frozen
from hoshikage.http.origin_policy import OriginPolicy
from hoshikage.settings import Settings

Needs = Literal["nothing", "api", "admin"]
log: Final = logging.getLogger("hoshikage.access")


class Caller(Frozen, frozen=True):
    """The request is from this caller, as far as it is known."""

    name: str | None
    """`name` is that of the access token, or ANONYMOUS; None for this user's own commands, which have no limits."""
    since: int = 0
    """`since` is the Unix time at which the token was made; a later one of the same name is somebody else's."""
    is_admin: bool = False
    """`is_admin` tells whether all of the server is theirs to know."""

    @property
    def scope(self) -> str:
        """Returns the caller's scope: what is kept of a prompt belongs to it, and nobody else is given that."""
        return f"{self.name or ''} {self.since}" if self.since else self.name or ""


ANONYMOUS: Final = "(anonymous)"
"""No token can have this name."""
OWNER: Final = Caller(None, is_admin=True)
LOCAL_ADMIN: Final = AccessToken(ANONYMOUS, "admin", 0)
CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=OWNER)
"""The caller is whoever asks for what the current task answers."""


class Authenticator:
    """Knows the tokens. `needs` maps the handlers of routes to what those need."""

    def __init__(self, settings: Settings, policy: OriginPolicy, needs: Mapping[Any, Needs]) -> None:
        self._policy = policy
        self._needs = needs
        self._store = TokenStore(settings.token_file)
        self._admin_file = settings.admin_token_file
        self._admin_token: str | None = None

    def prepare(self) -> None:
        """Makes this user's admin token where there is none. Blocks on the disk."""
        try:
            self._admin_token = local_admin.prepare(self._admin_file)
        except OSError as error:
            log.warning("no admin token: %s: %s", self._admin_file, error.strerror or error)

    def kept_tokens(self) -> dict[str, Any]:
        """Returns what a sleeping server tells callers by. Blocks on the disk."""
        digests = self._store.digests()
        if self._admin_token is not None:
            digests = [*digests, (_digest(self._admin_token).hex(), True)]
        return {"tokens": digests, "token_file": str(self._store.file), "admin": self._admin_token or ""}

    def require_tokens(self, host: str) -> None:
        """Raises UsageError where tokens are needed and there are none, or their file cannot be used."""
        if self._policy.needs_token and not self._store.tokens():
            raise UsageError("http.no_token_exposed" if self._policy.exposed else "http.no_token", host=host)

    def needs(self, request: web.Request) -> Needs:
        info = request.match_info
        return "api" if info.http_exception is not None else self._needs.get(info.handler, "admin")

    def admit(self, request: web.Request) -> Caller:
        """Returns who asks, if they may. Raises AuthenticationFailed, PermissionRefused."""
        if self._policy.is_private(request):
            return OWNER
        needs = self.needs(request)
        if needs == "nothing":
            return Caller(ANONYMOUS)
        if needs == "api" and not self._policy.needs_token:
            return self._unasked(request)
        token = self._verify(presented(request))
        if token is None:
            raise AuthenticationFailed(f"http.token_{needs}")
        if not token.allows(needs):
            raise PermissionRefused("http.token_scope")
        return OWNER if token is LOCAL_ADMIN else _caller(token)

    def proof(self, challenge: str, server: local_admin.Address) -> str | None:
        """Returns the proof that this server knows the admin token, for a command that must not show its own to a
        stranger; None where there is nothing to prove."""
        if self._admin_token is None or not local_admin.CHALLENGE.fullmatch(challenge):
            return None
        return local_admin.proof(self._admin_token, challenge, server)

    def _unasked(self, request: web.Request) -> Caller:
        """Returns who asks where no token is needed: clients send made-up ones then, so a wrong one counts as none."""
        try:
            token = self._verify(presented(request))
        except AuthenticationFailed:  # the token file is out of order
            token = None
        if token is LOCAL_ADMIN:
            return OWNER
        return _caller(token) if token else Caller(ANONYMOUS)

    def _verify(self, word: str | None) -> AccessToken | None:
        if word is None:
            return None
        if self._admin_token is not None and hmac.compare_digest(_digest(word), _digest(self._admin_token)):
            return LOCAL_ADMIN
        return self._store.verify(word)


def _caller(token: AccessToken) -> Caller:
    return Caller(token.name, token.created, is_admin=token.allows("admin"))


def presented(request: web.Request) -> str | None:
    """Returns the token of `Authorization: Bearer` or `x-api-key`; None for none, and for two that differ."""
    result = set(request.headers.getall("x-api-key", []))
    for value in request.headers.getall("Authorization", []):
        scheme, _, word = value.strip().partition(" ")
        result.add(word.strip() if scheme.lower() == "bearer" else "")
    return result.pop() or None if len(result) == 1 else None


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "surrogateescape")).digest()
