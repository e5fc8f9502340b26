"""What was done to content before it was cut into segments (section 3): Padmé padding, and one gzip member."""

import zlib

from .errors import Refused, require

PADDING_NONE, PADDING_PADME = 0, 1
COMPRESSION_NONE, COMPRESSION_GZIP = 0, 1

_GZIP_HEADER = 10
_GZIP_TRAILER = 8


def padme(stored: int) -> int:
    """The length after padding."""
    length = max(stored, 1)
    e = length.bit_length() - 1
    unit = 1 << max(e - e.bit_length(), 0)
    return max(4096, (length + unit - 1) // unit * unit)


def payload_length(stored: int, padding: int) -> int:
    """How long the plaintext of all segments is."""
    return padme(stored) if padding == PADDING_PADME else stored


def unpad(plain: bytes, stored: int, padding: int) -> bytes:
    """The stored bytes; refuses another length, and a pad that is not zero."""
    require(len(plain) == payload_length(stored, padding), "payload length")
    require(plain.count(0, stored) == len(plain) - stored, "a pad byte that is not zero")
    return plain[:stored]


def inflate(member: bytes, size: int) -> bytes:
    """The content of one gzip member without optional fields; never makes more than `size` + 1 bytes."""
    require(len(member) >= _GZIP_HEADER + _GZIP_TRAILER, "gzip: too short")
    require(member[:3] == b"\x1f\x8b\x08", "gzip: not a member, or another method")
    require(member[3] == 0, "gzip: optional fields")
    require(member[4:8] == bytes(4), "gzip: a modification time")
    inflater = zlib.decompressobj(wbits=-15)
    try:
        content = inflater.decompress(memoryview(member)[_GZIP_HEADER:], size + 1)
    except zlib.error:
        raise Refused("gzip: not a deflate stream") from None
    require(len(content) <= size, "gzip: more than the original size")
    require(inflater.eof, "gzip: ends too early")
    require(len(content) == size, "gzip: less than the original size")
    trailer = inflater.unused_data
    require(len(trailer) == _GZIP_TRAILER, "gzip: does not end at the stored size")
    require(trailer[:4] == zlib.crc32(content).to_bytes(4, "little"), "gzip: checksum")
    require(trailer[4:] == (size % 2**32).to_bytes(4, "little"), "gzip: length in the trailer")
    return content
