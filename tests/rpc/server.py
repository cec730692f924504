"""Runs ggml's own RPC server in a process of its own, on the CPU: `python -m tests.rpc.server FOLDER HOST:PORT`.

FOLDER holds a set of libraries with libggml-rpc among them. Main thread; it serves until it is ended.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path


def main(folder: Path, endpoint: str) -> None:
    base, ggml = (
        ctypes.CDLL(str(next(folder.glob(name))), ctypes.RTLD_GLOBAL) for name in ("libggml-base.so", "libggml.*so")
    )
    ggml.ggml_backend_load_all_from_path(os.fsencode(folder))
    by_name = ggml.ggml_backend_reg_by_name
    by_name.restype, by_name.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    address = base.ggml_backend_reg_get_proc_address
    address.restype, address.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)
    device_of = base.ggml_backend_reg_dev_get
    device_of.restype, device_of.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_size_t)
    start = ctypes.CFUNCTYPE(
        None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)
    )(address(by_name(b"RPC"), b"ggml_backend_rpc_start_server"))
    devices = (ctypes.c_void_p * 1)(device_of(by_name(b"CPU"), 0))
    start(endpoint.encode(), None, 1, 1, devices)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
