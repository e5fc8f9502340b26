"""Safety numbers of two people (section 6)."""

import hashlib

from .errors import require

GROUPS = 12
WORDS = 18
QR_PREFIX = "WAXWING-SAFETY-1:"


def _digest(one: bytes, other: bytes) -> bytes:
    require(len(one) == len(other) == 32, "safety number: root ids")
    low, high = sorted((one, other))
    return hashlib.sha512(b"waxwing/v1/safety\0" + low + high).digest()


def groups(one: bytes, other: bytes) -> list[str]:
    h = _digest(one, other)
    return [f"{int.from_bytes(h[5 * k : 5 * k + 5], 'big') % 100000:05d}" for k in range(GROUPS)]


def word_numbers(one: bytes, other: bytes) -> list[int]:
    h = _digest(one, other)
    bits = int.from_bytes(h, "big")
    return [bits >> (len(h) * 8 - 11 * (k + 1)) & 2047 for k in range(WORDS)]


def qr_text(one: bytes, other: bytes) -> str:
    return QR_PREFIX + "".join(groups(one, other))
