"""The record of pins (section 7): what a person's devices tell each other about contacts and files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import cbor, floe, identity, signature
from .errors import Refused, require
from .fields import U64_LIMIT, Cursor
from .hashing import hkdf

MAGIC = b"WXWGPN01"
MOST_ROOTS_BEFORE = 16
HEAD_LENGTH = 32


@dataclass(frozen=True)
class RootBefore:
    root_id: bytes
    linked: bool


@dataclass(frozen=True)
class PinnedContact:
    address: str
    user_id: bytes
    root_id: bytes
    seq: int
    hash: bytes
    verified: bool
    first_seen: int
    previous: tuple[RootBefore, ...]


@dataclass(frozen=True)
class Forgotten:
    address: str
    at: int


@dataclass(frozen=True)
class SeenFile:
    file_id: bytes
    revision: int
    digest: bytes


@dataclass(frozen=True)
class Record:
    version: int
    contacts: tuple[PinnedContact, ...]
    forgotten: tuple[Forgotten, ...]
    files: tuple[SeenFile, ...]


def _fields(item: cbor.Item, count: int) -> list[cbor.Item]:
    if not isinstance(item, dict):
        raise Refused("pins: not a map")
    cbor.check_keys(item, set(range(1, count + 1)))
    return [item[key] for key in range(1, count + 1)]


def _octets(item: cbor.Item, length: int) -> bytes:
    data = cbor.octets(item)
    require(len(data) == length, "pins: length of a field")
    return data


def _flag(item: cbor.Item) -> bool:
    return cbor.unsigned(item, 1) == 1


def _address(item: cbor.Item) -> str:
    return identity.check_address(cbor.text(item).encode("utf-8"))


def _time(item: cbor.Item) -> int:
    if not isinstance(item, int) or not -U64_LIMIT < item < U64_LIMIT:
        raise Refused("pins: a time")
    return item


def _root_before(item: cbor.Item) -> RootBefore:
    root, linked = _fields(item, 2)
    return RootBefore(_octets(root, 32), _flag(linked))


def _contact(item: cbor.Item) -> PinnedContact:
    address, user_id, root, seq, digest, verified, first_seen, previous = _fields(item, 8)
    before = cbor.array(previous)
    require(len(before) <= MOST_ROOTS_BEFORE, "pins: too many roots before")
    number = cbor.unsigned(seq, 2**32 - 1)
    require(number >= 1, "pins: a bundle of number 0")
    return PinnedContact(
        _address(address), _octets(user_id, 16), _octets(root, 32), number, _octets(digest, 32), _flag(verified),
        _time(first_seen), tuple(_root_before(root) for root in before),
    )  # fmt: skip


def _forgotten(item: cbor.Item) -> Forgotten:
    address, at = _fields(item, 2)
    return Forgotten(_address(address), _time(at))


def _file(item: cbor.Item) -> SeenFile:
    file_id, revision, digest = _fields(item, 3)
    return SeenFile(_octets(file_id, 16), cbor.unsigned(revision, U64_LIMIT - 1), _octets(digest, 32))


T = TypeVar("T")


def _ascending(item: cbor.Item, read: Callable[[cbor.Item], T], key: Callable[[T], bytes]) -> tuple[T, ...]:
    items = tuple(read(one) for one in cbor.array(item))
    keys = [key(one) for one in items]
    require(keys == sorted(set(keys)), "pins: not ascending, or twice")
    return items


def open_record(raw: bytes, user_id: bytes, root_seed: bytes) -> Record:
    """Opens a record of this person, by their present root."""
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    require(cursor.take(16) == user_id, "pins: of another user")
    version = cursor.u64()
    require(version >= 1, "pins: version")
    body = cursor.take(cursor.left - 64)
    floe.check_small(body)
    covered = raw[: cursor.at]
    signature.verify(signature.public_key(root_seed), b"waxwing/v1/pins-signature\0" + covered, cursor.take(64))
    cursor.end()

    key = hkdf(root_seed, user_id, b"waxwing/v1/pins", 32)
    plain = floe.open_small(key, b"waxwing/v1/pins\0" + raw[:HEAD_LENGTH], body)
    entries = cbor.decode_map(plain, levels=6)
    cbor.check_keys(entries, {1, 2, 3})
    return Record(
        version,
        _ascending(entries[1], _contact, lambda one: one.address.encode("utf-8")),
        _ascending(entries[2], _forgotten, lambda one: one.address.encode("utf-8")),
        _ascending(entries[3], _file, lambda one: one.file_id),
    )
