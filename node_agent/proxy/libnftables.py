"""The library behind the command ``nft``, in this process.

A command opens a socket for each batch, and closing it waits until the kernel has freed what the batch replaced. Here
one socket stays open, as long as the object does that has it.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from typing import Final

from node_agent.network import NetworkError

LIBRARY: Final = "libnftables.so.1"
TERSE: Final = 1 << 11
"""From nftables/libnftables.h: sets are listed without their elements."""
LARGE: Final = 1 << 18
"""Characters of commands; what so many have taken is handed back at once."""


class Nftables:
    """nftables of the network namespace it was made in. Raises NetworkError where the library is missing."""

    def __init__(self) -> None:
        self._library = _library()
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(0))
        if not self._context:
            raise NetworkError(f"{LIBRARY} does not start")
        weakref.finalize(self, self._library.nft_ctx_free, self._context)
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str, *, terse: bool = False) -> str:
        """One transaction of commands in the language of ``nft``; what they print. Raises NetworkError."""
        self._library.nft_ctx_output_set_flags(self._context, TERSE if terse else 0)
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        # Both are asked for every time: asking empties them.
        printed = self._library.nft_ctx_get_output_buffer(self._context).decode()
        words = self._library.nft_ctx_get_error_buffer(self._context).decode(errors="replace").strip()
        if len(commands) > LARGE:
            _trim(0)
        if failed:
            raise NetworkError(f"nft failed: {words.splitlines()[0] if words else failed}")
        return str(printed)


_trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)  # glibc's


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NetworkError(f"{LIBRARY} is missing, install nftables: {error}") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_ctx_free.restype = None
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_ctx_output_set_flags.restype = None
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library
