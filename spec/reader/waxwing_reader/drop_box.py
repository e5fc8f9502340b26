"""Drop boxes (section 10): what their owner signs, and the words that only the address opens."""

import unicodedata
from dataclasses import dataclass

from . import address, cbor, floe, metadata, signature
from .errors import require
from .fields import Cursor
from .hashing import ZEROS_32, hkdf, root_id

MAGIC = b"WXWGBX01"
MOST_BLOCKS = 8
LONGEST_TITLE = 200
LONGEST_NOTE = 3000


@dataclass(frozen=True)
class Words:
    title: str
    note: str | None


@dataclass(frozen=True)
class DropBox:
    box_id: bytes
    owner_root_id: bytes
    created: int
    ends: int
    max_files: int
    max_body: int
    words: Words | None


def words_key(root_seed: bytes, box_id: bytes) -> bytes:
    return hkdf(root_seed, box_id, b"waxwing/v1/box", 32)


def address_of(origin: str, box_id: bytes, key: bytes, owner: bytes) -> str:
    return f"{origin}/d/{address.to_text(box_id)}#1k.{address.to_text(key)}.{address.to_text(owner)}"


def _text(item: cbor.Item, longest: int, also: str) -> str:
    text = cbor.text(item)
    require(1 <= len(text.encode("utf-8")) <= longest, "box: length of a text")
    require(not any(unicodedata.category(c) == "Cc" and c not in also for c in text), "box: a control character")
    return text


def _words(plain: bytes) -> Words:
    entries = cbor.decode_map(metadata.unblocked(plain))
    cbor.check_keys(entries, {1}, {2})
    note = _text(entries[2], LONGEST_NOTE, "\n") if 2 in entries else None
    return Words(_text(entries[1], LONGEST_TITLE, ""), note)


def open_box(text: str, description: bytes, owner_key: bytes) -> DropBox:
    """A box as a visitor meets it: its address, what the server shows, and the root key out of the owner's bundle."""
    _, box_id, mark, fields = address.split(text, "/d/", {"1": 1, "1k": 2})
    key = fields[0] if mark == "1k" else None
    owner = fields[-1]

    cursor = Cursor(description)
    cursor.magic(MAGIC)
    require(cursor.take(16) == box_id, "box: another box")
    named = cursor.take(32)
    require(named != ZEROS_32, "box: an owner of zeros")
    created, ends = cursor.u64(), cursor.u64()
    require(ends > created, "box: it ends before it was made")
    max_files, max_body = cursor.u32(), cursor.u64()
    if max_body != 0:
        floe.segment_count(max_body)
    head = description[: cursor.at]
    length = cursor.u32()
    blocks, rest = divmod(length - floe.SMALL_OVERHEAD, metadata.BLOCK)
    require(rest == 0 and 1 <= blocks <= MOST_BLOCKS, "box: length of the words")
    sealed = cursor.take(length)
    floe.check_small(sealed)
    covered = description[: cursor.at]
    signed = cursor.take(64)
    cursor.end()

    require(root_id(owner_key) == owner, "box: the address names another owner")
    require(named == owner, "box: the description names another owner")
    signature.verify(owner_key, b"waxwing/v1/box\0" + covered, signed)
    words = None
    if key is not None:
        words = _words(floe.open_small(key, b"waxwing/v1/box-words\0" + head, sealed))
    return DropBox(box_id, named, created, ends, max_files, max_body, words)
