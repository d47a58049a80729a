"""Unpacks what somebody sends, however it was packed, never to more than it may be."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_PACKED, MAX_PLAIN = 4 * 1024 * 1024, 16 * 1024 * 1024
WINDOW_LOG = 23
"""8 MiB, what any encoder uses below its long-distance modes: the decoder takes as much memory as the sender says."""

DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "zstd": lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG}),
}


class BadPacking(ValueError):
    """What cannot be unpacked; `status` is HTTP's word for why."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def unpack(packed: bytes, encoding: str) -> bytes:
    """The bytes of a body. BadPacking where it is damaged, not whole, packed otherwise, or larger than MAX_PLAIN."""
    if encoding not in ("", "identity", *DECODERS):
        raise BadPacking("packed with something other than zstd or gzip", 415)
    plain = _whole(packed, encoding) if encoding in DECODERS else packed
    if len(plain) > MAX_PLAIN:
        raise BadPacking(f"more than {MAX_PLAIN} bytes when unpacked", 413)
    return plain


def _whole(packed: bytes, encoding: str) -> bytes:
    """What is in exactly one stream, or the beginning of it where it is longer than MAX_PLAIN."""
    decoder = DECODERS[encoding]()
    try:
        plain: bytes = decoder.decompress(packed, MAX_PLAIN + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise BadPacking(f"not {encoding}, damaged, or with too large a window") from error
    if len(plain) <= MAX_PLAIN and (not decoder.eof or decoder.unused_data):
        raise BadPacking(f"not one whole {encoding} stream")
    return plain
