"""FLOE with AES-256-GCM and HKDF-SHA-384, with the one set of parameters that the format has (section 1)."""

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import Refused, require
from .fields import u32, u64
from .hashing import equal

PARAMETERS = bytes.fromhex("00000004000000000020")
IV_LENGTH = 32
HEADER_LENGTH = 74
SEGMENT_LENGTH = 1 << 18
SEGMENT_OVERHEAD = 32
SEGMENT_PLAIN = SEGMENT_LENGTH - SEGMENT_OVERHEAD
SMALL_OVERHEAD = HEADER_LENGTH + SEGMENT_OVERHEAD
MOST_SEGMENTS = 1 << 26
LONGEST_BODY = 1 << 44
INNER_LENGTH_WORD = b"\xff\xff\xff\xff"
KEY_ROTATION_MASK = (1 << 20) - 1


def _derive(key: bytes, iv: bytes, purpose: bytes, aad: bytes, length: int) -> bytes:
    return hmac.digest(key, PARAMETERS + iv + purpose + aad + b"\x01", "sha384")[:length]


def check_parameters(header: bytes) -> None:
    """What can be checked of a header without a key."""
    require(len(header) == HEADER_LENGTH, "FLOE: header length")
    require(header[: len(PARAMETERS)] == PARAMETERS, "FLOE: other parameters")


def check_frame(index: int, last: bool, segment: bytes) -> None:
    """What can be checked of a segment without a key."""
    require(0 <= index < MOST_SEGMENTS, "FLOE: segment number")
    require(SEGMENT_OVERHEAD <= len(segment) <= SEGMENT_LENGTH, "FLOE: segment length")
    if last:
        require(segment[:4] == u32(len(segment)), "FLOE: length word of the last segment")
    else:
        require(len(segment) == SEGMENT_LENGTH, "FLOE: an inner segment that is not full")
        require(segment[:4] == INNER_LENGTH_WORD, "FLOE: length word of an inner segment")


class Opener:
    """A message whose header is authentic; opens its segments, in any order."""

    def __init__(self, key: bytes, aad: bytes, header: bytes) -> None:
        check_parameters(header)
        self._iv = header[10 : 10 + IV_LENGTH]
        self._aad = aad
        tag = _derive(key, self._iv, b"HEADER_TAG:", aad, 32)
        require(equal(tag, header[42:]), "FLOE: header tag")
        self._message_key = _derive(key, self._iv, b"MESSAGE_KEY:", aad, 48)
        self._epoch = -1
        self._aead: AESGCM | None = None

    def _segment_aead(self, index: int) -> AESGCM:
        epoch = index & ~KEY_ROTATION_MASK
        if self._aead is None or self._epoch != epoch:
            key = _derive(self._message_key, self._iv, b"DEK:" + u64(epoch), self._aad, 32)
            self._aead, self._epoch = AESGCM(key), epoch
        return self._aead

    def open_segment(self, index: int, last: bool, segment: bytes) -> bytes:
        check_frame(index, last, segment)
        aad = u64(index) + (b"\x01" if last else b"\x00")
        try:
            return self._segment_aead(index).decrypt(segment[4:16], segment[16:], aad)
        except InvalidTag:
            raise Refused("FLOE: segment tag") from None


def check_small(message: bytes) -> None:
    """What can be checked of a small message without a key: it is one while it is still sealed."""
    require(SMALL_OVERHEAD <= len(message) <= HEADER_LENGTH + SEGMENT_LENGTH, "FLOE: length of a small message")
    check_parameters(message[:HEADER_LENGTH])
    check_frame(0, True, message[HEADER_LENGTH:])


def open_small(key: bytes, aad: bytes, message: bytes) -> bytes:
    """A header and exactly one segment, the last."""
    check_small(message)
    opener = Opener(key, aad, message[:HEADER_LENGTH])
    return opener.open_segment(0, True, message[HEADER_LENGTH:])


def segment_count(body_length: int) -> int:
    """The number of segments of a body; refuses a length that no body has (section 3)."""
    require(SEGMENT_OVERHEAD <= body_length <= LONGEST_BODY, "body length")
    count = (body_length + SEGMENT_LENGTH - 1) // SEGMENT_LENGTH
    last = body_length - (count - 1) * SEGMENT_LENGTH
    require(last >= SEGMENT_OVERHEAD, "a last segment of fewer than 32 bytes")
    require(count == 1 or last > SEGMENT_OVERHEAD, "an empty last segment")
    require(count <= MOST_SEGMENTS, "too many segments")
    return count
