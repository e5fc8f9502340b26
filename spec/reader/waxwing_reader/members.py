"""Bundles of files (section 9): a list that holds the keys of its members, and members that are held against it."""

import unicodedata
from dataclasses import dataclass, field

from . import cbor, floe, manifest, metadata, opening
from .errors import Refused, require
from .fields import U64_LIMIT
from .hashing import file_keys

MEDIA_TYPE = "application/vnd.waxwing.bundle+cbor"
LONGEST_LIST = 16 << 20
LONGEST_PATH = 2048
MOST_NAMES = 64
MOST_MEMBERS = 50_000
MOST_FOLDERS = 50_000


@dataclass(frozen=True)
class Member:
    path: str
    file_id: bytes
    fk: bytes = field(repr=False)
    content_id: bytes
    size: int
    min_revision: int


@dataclass(frozen=True)
class FileBundle:
    members: tuple[Member, ...]
    empty: tuple[str, ...]


def _path(item: cbor.Item) -> str:
    path = cbor.text(item)
    require(len(path.encode("utf-8")) <= LONGEST_PATH, "bundle of files: length of a path")
    names = path.split("/")
    require(len(names) <= MOST_NAMES, "bundle of files: names in a path")
    for name in names:
        metadata.check_name(name)
    return path


def _octets(item: cbor.Item, length: int) -> bytes:
    data = cbor.octets(item)
    require(len(data) == length, "bundle of files: length of a field")
    return data


def _member(item: cbor.Item) -> Member:
    if not isinstance(item, dict):
        raise Refused("bundle of files: a member that is no map")
    cbor.check_keys(item, {1, 2, 3, 4, 5, 6})
    member = Member(
        path=_path(item[1]),
        file_id=_octets(item[2], 16),
        fk=_octets(item[3], 32),
        content_id=_octets(item[4], 32),
        size=cbor.unsigned(item[5], floe.LONGEST_BODY),
        min_revision=cbor.unsigned(item[6], U64_LIMIT - 1),
    )
    require(member.min_revision >= 1, "bundle of files: a revision of 0")
    return member


def folded(path: str) -> tuple[str, ...]:
    """A path as a file system sees it that tells neither case nor composition apart."""

    def fold(name: str) -> str:
        upper = [mapped for c in unicodedata.normalize("NFC", name) for mapped in c.upper()]
        return unicodedata.normalize("NFC", "".join(c.lower() for c in upper))

    return tuple(fold(name) for name in path.split("/"))


def _check_tree(paths: list[str]) -> None:
    """No two are the same, none is a folder of another, and there are not too many folders."""
    names = {folded(path) for path in paths}
    require(len(names) == len(paths), "bundle of files: two paths that are one")
    above = {path[:depth] for path in names for depth in range(1, len(path))}
    require(not names & above, "bundle of files: a file, or an empty folder, that is a folder of another")


def _check_folders(members: list[Member], empty: list[str]) -> None:
    inside = [folded(path) for path in empty]
    above = {p[:depth] for p in [*inside, *(folded(m.path) for m in members)] for depth in range(1, len(p))}
    require(len(above | set(inside)) <= MOST_FOLDERS, "bundle of files: too many folders")


def parse(content: bytes) -> FileBundle:
    require(len(content) <= LONGEST_LIST, "bundle of files: length")
    entries = cbor.decode_map(content)
    cbor.check_keys(entries, {1}, {2})
    items = cbor.array(entries[1])
    require(len(items) <= MOST_MEMBERS, "bundle of files: too many members")
    members = [_member(item) for item in items]
    empty: list[str] = []
    if 2 in entries:
        empty = [_path(item) for item in cbor.array(entries[2])]
        require(1 <= len(empty) <= MOST_FOLDERS, "bundle of files: number of empty folders")
    for paths in ([member.path for member in members], empty):
        encoded = [path.encode("utf-8") for path in paths]
        require(encoded == sorted(set(encoded)), "bundle of files: not sorted, or a path twice")
    require(len({member.file_id for member in members}) == len(members), "bundle of files: a file twice")
    _check_tree([*(member.path for member in members), *empty])
    _check_folders(members, empty)
    return FileBundle(tuple(members), tuple(empty))


def open_member(member: Member, raw: bytes, body: bytes, author_key: bytes) -> tuple[metadata.Metadata, bytes]:
    """A member whose list was signed by the author; then the reading order from step 5 on."""
    sheet = manifest.parse(raw)
    require(sheet.suite == manifest.SIGNED, "a member of another suite")
    require(sheet.file_id == member.file_id, "a member that is another file")
    require(sheet.content_id == member.content_id, "a member of another content")
    require(sheet.revision >= member.min_revision, "a revision below the list's lowest")
    sheet.verify_author(author_key)
    about, content = opening.open_content(sheet, file_keys(member.fk, sheet.file_id), None, body)
    require(about.original_size == member.size, "a member of another size")
    require(about.media_type != MEDIA_TYPE, "a bundle of files in a bundle of files")
    return about, content
