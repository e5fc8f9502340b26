"""Deterministic CBOR (RFC 8949, section 4.2.1), as narrow as section 4 of the format has it.

Only unsigned and negative integers, byte strings, text strings, arrays and maps with integer keys; every head in its
shortest form; keys in ascending order of their encoding, none twice; nothing behind the item.
"""

from typing import Union

from .errors import Refused, require
from .fields import Cursor

Item = Union[int, bytes, str, list["Item"], dict[int, "Item"]]

MOST_LEVELS = 4  # only the record of pins is deeper


def decode(data: bytes, levels: int = MOST_LEVELS) -> Item:
    """Decodes exactly one item that fills all of the data."""
    cursor = Cursor(data)
    item = _item(cursor, levels)
    cursor.end()
    return item


def decode_map(data: bytes, levels: int = MOST_LEVELS) -> dict[int, Item]:
    item = decode(data, levels)
    if not isinstance(item, dict):
        raise Refused("CBOR: not a map")
    return item


def _head(cursor: Cursor) -> tuple[int, int]:
    first = cursor.u8()
    major, short = first >> 5, first & 31
    require(major <= 5, "CBOR: a type that does not occur")
    if short < 24:
        return major, short
    require(short <= 27, "CBOR: indefinite length, or a reserved head")
    width = 1 << (short - 24)
    value = cursor.number(width)
    least = 24 if width == 1 else 1 << (4 * width)
    require(value >= least, "CBOR: not the shortest form")
    return major, value


def _item(cursor: Cursor, levels: int) -> Item:
    require(levels > 0, "CBOR: too deep")
    major, value = _head(cursor)
    if major == 0:
        return value
    if major == 1:
        return -1 - value
    if major == 2:
        return cursor.take(value)
    if major == 3:
        try:
            return cursor.take(value).decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("CBOR: text that is not UTF-8") from None
    # Every element takes a byte at least, so a count beyond what is left is refused before anything is made of it.
    if major == 4:
        require(value <= cursor.left, "CBOR: an array longer than it is")
        return [_item(cursor, levels - 1) for _ in range(value)]
    require(2 * value <= cursor.left, "CBOR: a map longer than it is")
    entries: dict[int, Item] = {}
    before = b""
    for _ in range(value):
        begin = cursor.at
        key_major, number = _head(cursor)
        require(key_major <= 1, "CBOR: a key that is no integer")
        encoded = cursor.data[begin : cursor.at]
        require(encoded > before, "CBOR: keys twice or out of order")
        before = encoded
        key = number if key_major == 0 else -1 - number
        entries[key] = _item(cursor, levels - 1)
    return entries


def check_keys(entries: dict[int, Item], required: set[int], optional: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Refuses missing and unknown keys."""
    require(required <= entries.keys(), "CBOR: a key is missing")
    require(entries.keys() <= required | optional, "CBOR: an unknown key")


def unsigned(item: Item, most: int) -> int:
    if not isinstance(item, int) or not 0 <= item <= most:
        raise Refused("CBOR: not a number in its range")
    return item


def text(item: Item) -> str:
    if not isinstance(item, str):
        raise Refused("CBOR: not a text")
    return item


def octets(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise Refused("CBOR: not a byte string")
    return item


def array(item: Item) -> list[Item]:
    if not isinstance(item, list):
        raise Refused("CBOR: not an array")
    return item
