"""Makes devices of other machines devices of this one, by ggml's RPC backend. One thread; blocking while it connects.

A release either gives one entry of the registry for each server (its devices follow from that), or one device for
each. Both are had from the backend itself, so that nothing is linked that a library may lack.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Final

from hoshikage._ffi.backends import devices
from hoshikage.errors import NotSupported, Unavailable

BACKEND: Final = b"RPC"
ADD_SERVER: Final = b"ggml_backend_rpc_add_server"
ADD_DEVICE: Final = b"ggml_backend_rpc_add_device"
PATIENCE_S: Final = 5.0


def connect(api: SimpleNamespace, servers: Sequence[str]) -> None:
    """Adds the servers' devices, each once. Raises NotSupported for a library without the backend, and Unavailable.

    A server is tried before the library is told of it, because the library ends the process where none answers.
    """
    for server in servers:
        if not any(server in (device.description, device.name) for device in devices(api, memory=False)):
            add = _adder(api)
            _require_listening(server)
            if not add(server.encode()):
                raise Unavailable("engine.rpc_refused", server=server)


def _adder(api: SimpleNamespace) -> _Adder:
    if api.ggml_backend_reg_by_name is None or api.ggml_backend_reg_get_proc_address is None:
        raise NotSupported("engine.rpc_lacking")
    backend = api.ggml_backend_reg_by_name(BACKEND)
    if not backend:
        raise NotSupported("engine.rpc_lacking")
    for name, register in ((ADD_SERVER, api.ggml_backend_register), (ADD_DEVICE, api.ggml_backend_device_register)):
        address = api.ggml_backend_reg_get_proc_address(backend, name)
        if address and register is not None:
            return _Adder(address, register)
    raise NotSupported("engine.rpc_lacking")


class _Adder:
    """Has the backend make what stands for a server, and puts it into the library's registry."""

    def __init__(self, address: int, register: Callable[[int], None]) -> None:
        self._make = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(address)
        self._register = register

    def __call__(self, endpoint: bytes) -> bool:
        made = self._make(endpoint)
        if not made:
            return False
        self._register(made)
        return True


def _require_listening(server: str) -> None:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable("engine.rpc_unreachable", server=server, reason=reason) from None
