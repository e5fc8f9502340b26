"""The metadata of a file (section 4): a block of 512-byte multiples that holds one strict CBOR map."""

from dataclasses import dataclass

from . import cbor
from .errors import Refused, require
from .fields import Cursor
from .floe import LONGEST_BODY
from .padding import COMPRESSION_GZIP, COMPRESSION_NONE, PADDING_PADME

BLOCK = 512
LONGEST_NAME = 255
LONGEST_PREVIEW = 32 * 1024
TIME_LIMIT = 2**53
SUITE_ANONYMOUS = 3


@dataclass(frozen=True)
class Preview:
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Metadata:
    name: str
    media_type: str
    original_size: int
    stored_size: int
    compression: int
    padding: int
    modified_ms: int
    box_id: bytes | None
    preview: Preview | None


def unblocked(plain: bytes) -> bytes:
    """The CBOR out of its block."""
    cursor = Cursor(plain)
    length = cursor.u32()
    content = cursor.take(length)
    blocks = (4 + length + BLOCK - 1) // BLOCK
    require(len(plain) == blocks * BLOCK, "metadata: another number of blocks")
    require(not any(plain[cursor.at :]), "metadata: a pad byte that is not zero")
    return content


def check_name(name: str) -> None:
    """What holds for the name of a file, and for every name in a path."""
    require(1 <= len(name.encode("utf-8")) <= LONGEST_NAME, "metadata: length of the name")
    require(not any(c in name for c in "/\\\0"), "metadata: a name with a separator or NUL")
    require(name not in (".", ".."), "metadata: a name that stands for a folder")


def _name(item: cbor.Item) -> str:
    name = cbor.text(item)
    check_name(name)
    return name


def _preview(item: cbor.Item) -> Preview:
    if not isinstance(item, dict):
        raise Refused("metadata: preview")
    cbor.check_keys(item, {1, 2})
    preview = Preview(cbor.text(item[1]), cbor.octets(item[2]))
    require(len(preview.data) <= LONGEST_PREVIEW, "metadata: a preview that is too long")
    return preview


def parse(plain: bytes, suite: int) -> Metadata:
    entries = cbor.decode_map(unblocked(plain))
    cbor.check_keys(entries, {1, 2, 3, 4, 5, 6, 7}, {8, 9})
    modified = entries[7]
    if not isinstance(modified, int) or not -TIME_LIMIT < modified < TIME_LIMIT:
        raise Refused("metadata: modification time")
    box_id = None
    if 8 in entries:
        box_id = cbor.octets(entries[8])
        require(len(box_id) == 16, "metadata: length of the box id")
        require(suite == SUITE_ANONYMOUS, "metadata: a box id in a signed file")
    metadata = Metadata(
        name=_name(entries[1]),
        media_type=cbor.text(entries[2]),
        original_size=cbor.unsigned(entries[3], LONGEST_BODY),
        stored_size=cbor.unsigned(entries[4], LONGEST_BODY),
        compression=cbor.unsigned(entries[5], COMPRESSION_GZIP),
        padding=cbor.unsigned(entries[6], PADDING_PADME),
        modified_ms=modified,
        box_id=box_id,
        preview=_preview(entries[9]) if 9 in entries else None,
    )
    if metadata.compression == COMPRESSION_NONE:
        require(metadata.original_size == metadata.stored_size, "metadata: sizes differ without compression")
    return metadata
