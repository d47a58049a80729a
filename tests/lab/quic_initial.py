"""Reads the server name out of QUIC Initial packets, as a middlebox does: their keys come from the packet itself."""

from __future__ import annotations

from aioquic.buffer import Buffer, BufferReadError
from aioquic.quic.crypto import CryptoError, CryptoPair
from aioquic.quic.packet import QuicFrameType, QuicPacketType, pull_ack_frame, pull_quic_header

from schedules.demo.censor import server_name

LONGEST_NUMBER = 4
HEADER_FORM = 0x80
MOST = 65_536
"""Bytes of a ClientHello, and of its place in the stream, beyond which nobody reads."""
MOST_PACKETS = 16
ACKS = (QuicFrameType.ACK, QuicFrameType.ACK_ECN)
CLOSES = (QuicFrameType.TRANSPORT_CLOSE, QuicFrameType.APPLICATION_CLOSE)


class Hello:
    """What one client has said so far. `add` each of its datagrams; `name` is known once `whole`."""

    def __init__(self) -> None:
        self.whole = False
        """Whether more datagrams would tell no more: the ClientHello is complete, or this is no such thing."""
        self.name: str | None = None
        self._pieces: dict[int, bytes] = {}
        self._packets = 0

    def add(self, datagram: bytes) -> None:
        """Read the CRYPTO frames in a datagram's Initial packets (RFC 9001 section 5.2; RFC 9000 section 17.2.2)."""
        if self.whole:
            return
        try:
            for payload in _payloads(datagram):
                self._read(payload)
        except (ValueError, CryptoError, BufferReadError):
            self.whole = True
        self._packets += 1
        said = self._said()
        if said:
            done, self.name = server_name(_in_records(said))
            self.whole = self.whole or done
        self.whole = self.whole or self._packets >= MOST_PACKETS

    def _read(self, payload: bytes) -> None:
        buf = Buffer(data=payload)
        while not buf.eof():
            kind = buf.pull_uint_var()
            if kind in ACKS:
                pull_ack_frame(buf)
            elif kind == QuicFrameType.CRYPTO:
                offset, size = buf.pull_uint_var(), buf.pull_uint_var()
                if offset + size > MOST:
                    raise ValueError("too large for a ClientHello")
                self._pieces[offset] = buf.pull_bytes(size)
            elif kind in CLOSES:
                return
            elif kind not in (QuicFrameType.PADDING, QuicFrameType.PING):
                raise ValueError(f"frame {kind} in an Initial packet")

    def _said(self) -> bytes:
        """The stream from its beginning to the first gap; browsers send its pieces out of order on purpose."""
        said = b""
        for offset, piece in sorted(self._pieces.items()):
            if offset > len(said):
                break
            said += piece[len(said) - offset :]
        return said


def _payloads(datagram: bytes) -> list[bytes]:
    """The frames of each Initial packet in a datagram, in the clear. ValueError or CryptoError where there is none."""
    found = []
    buf = Buffer(data=datagram)
    while not buf.eof() and datagram[buf.tell()] & HEADER_FORM:
        start = buf.tell()
        header = pull_quic_header(buf, host_cid_length=0)
        end = start + header.packet_length
        if header.packet_type == QuicPacketType.INITIAL and header.version is not None:
            crypto = CryptoPair()
            crypto.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
            packet = datagram[start:end]
            found.append(crypto.decrypt_packet(packet, buf.tell() - start, 0)[1])
        buf.seek(end)
    if not found:
        raise ValueError("no Initial packet")
    return found


def _in_records(handshake: bytes) -> bytes:
    """The handshake messages as TLS records, which is how the reader of names has them."""
    pieces = (handshake[start : start + 16_384] for start in range(0, len(handshake), 16_384))
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)
