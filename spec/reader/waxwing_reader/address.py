"""Addresses of links and drop boxes (sections 9 and 10): one spelling, and what stands behind the #."""

import base64
import re

from .errors import Refused, require

_HOST = re.compile(r"https://(?:[a-z0-9][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]+)?")
_DIGITS = re.compile(r"[A-Za-z0-9_-]*")


def to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def to_bytes(text: str, length: int) -> bytes:
    """base64url without padding and without loose bits."""
    require(_DIGITS.fullmatch(text) is not None, "address: not base64url")
    require(len(text) == (8 * length + 5) // 6, "address: length of a field")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(to_text(data) == text, "address: loose bits")
    return data


def split(text: str, path: str, marks: dict[str, int]) -> tuple[str, bytes, str, list[bytes]]:
    """Origin, id, mark, and the fields of 32 bytes of which each mark has so many."""
    place, sharp, fragment = text.partition("#")
    require(sharp == "#", "address: no fragment")
    origin, slash, name = place.partition(path)
    require(slash == path, "address: another path")
    require(_HOST.fullmatch(origin) is not None, "address: host and scheme")
    mark, *fields = fragment.split(".")
    if mark not in marks:
        raise Refused("address: version or mark")
    require(len(fields) == marks[mark], "address: number of fields")
    return origin, to_bytes(name, 16), mark, [to_bytes(field, 32) for field in fields]
