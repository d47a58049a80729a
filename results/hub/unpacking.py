"""Unpacks what somebody sends, however it was packed, never to more than it may be."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_PACKED, MAX_PLAIN = 4 * 1024 * 1024, 16 * 1024 * 1024
WINDOW_LOG = 23
"""8 MiB, what any encoder uses below its long-distance modes: the decoder takes as much memory as the sender says."""


class BadPacking(ValueError):
    """What cannot be unpacked; `status` is HTTP's word for why."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def unpack(packed: bytes, encoding: str) -> bytes:
    """The bytes of a body. BadPacking where it is damaged, not whole, packed otherwise, or larger than MAX_PLAIN."""
    known: dict[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "zstd": _zstd, "identity": bytes, "": bytes}
    if encoding not in known:
        raise BadPacking("packed with something other than zstd or gzip", 415)
    plain = known[encoding](packed)
    if len(plain) > MAX_PLAIN:
        raise BadPacking(f"more than {MAX_PLAIN} bytes when unpacked", 413)
    return plain


def _gzip(packed: bytes) -> bytes:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = decoder.decompress(packed, MAX_PLAIN + 1)
    except zlib.error as error:
        raise BadPacking("not gzip, or damaged") from error
    if len(plain) <= MAX_PLAIN and (not decoder.eof or decoder.unused_data):
        raise BadPacking("not one whole gzip stream")
    return plain


def _zstd(packed: bytes) -> bytes:
    decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
    try:
        plain = decoder.decompress(packed, MAX_PLAIN + 1)
    except zstd.ZstdError as error:
        raise BadPacking("not zstd, damaged, or with too large a window") from error
    if len(plain) <= MAX_PLAIN and (not decoder.eof or decoder.unused_data):
        raise BadPacking("not one whole zstd frame")
    return plain
