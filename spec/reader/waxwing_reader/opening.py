"""Opens a file in the reading order of section 5; no private key is used before step 4."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import floe, grant, manifest, padding, tree
from .errors import Refused, require
from .hashing import FileKeys, equal, file_keys, root_id
from .metadata import Metadata
from .recipient import Recipient

BY_THE_AUTHOR = "by the author"
REWRAPPED = "rewrapped"
PASSED_ON = "passed on"
ANONYMOUS = "anonymous"
ANONYMOUS_SHARED_BY = "anonymous, shared by"


@dataclass(frozen=True)
class Opened:
    """A file all of which is authentic."""

    metadata: Metadata
    content: bytes = field(repr=False)
    sharing: str
    author_root_id: bytes | None
    grantor_root_id: bytes | None
    revision: int
    not_after: int


def _sharing(sheet: manifest.Manifest, given: grant.Grant, recipient: Recipient) -> str:
    if sheet.suite == manifest.ANONYMOUS:
        return ANONYMOUS if given.suite == grant.ANONYMOUS else ANONYMOUS_SHARED_BY
    if given.grantor_root_id == sheet.author_root_id:
        return BY_THE_AUTHOR
    if recipient.root_key is not None and given.grantor_root_id == root_id(recipient.root_key):
        return REWRAPPED
    return PASSED_ON


def check_agreement(sheet: manifest.Manifest, given: grant.Grant) -> None:
    """The part of step 3 that holds for every grant of a file."""
    require(given.file_id == sheet.file_id, "the grant is of another file")
    require(given.content_id == sheet.content_id, "the grant is of another content")
    allowed = (grant.SIGNED,) if sheet.suite == manifest.SIGNED else (grant.SIGNED, grant.ANONYMOUS)
    require(given.suite in allowed, "an anonymous grant of a signed file")


def split_body(sheet: manifest.Manifest, body: bytes) -> list[memoryview]:
    require(len(body) == sheet.body_length, "the body has another length")
    view = memoryview(body)
    return [view[at : at + floe.SEGMENT_LENGTH] for at in range(0, len(body), floe.SEGMENT_LENGTH)]


def open_file(
    sheet_bytes: bytes,
    grant_bytes: bytes,
    body: bytes,
    recipient: Recipient,
    author_key: bytes | None,
    pinned: Iterable[bytes] = (),
) -> Opened:
    """Opens a file out of its parts; `pinned` are root keys of others who may have passed it on."""
    sheet = manifest.parse(sheet_bytes)
    given = grant.parse(grant_bytes)
    return open_parsed(sheet, given, None, body, recipient, author_key, pinned)


def open_parsed(
    sheet: manifest.Manifest,
    given: grant.Grant,
    leaves: Sequence[bytes] | None,
    body: bytes,
    recipient: Recipient,
    author_key: bytes | None,
    pinned: Iterable[bytes] = (),
) -> Opened:
    """Steps 2 to 9.  Without leaves they are made from the body."""
    sheet.verify_author(author_key)
    known = [*pinned]
    known += [key for key in (recipient.root_key, author_key) if key is not None]
    given.verify_grantor({root_id(key): key for key in known})

    check_agreement(sheet, given)
    require(sheet.revision >= given.min_revision, "a revision below the grant's lowest")
    require(recipient.is_named_by(given), "a grant for somebody else")

    fk = recipient.unwrap(given)
    about, content = open_content(sheet, file_keys(fk, sheet.file_id), leaves, body)
    return Opened(
        metadata=about,
        content=content,
        sharing=_sharing(sheet, given, recipient),
        author_root_id=sheet.author_root_id if sheet.suite == manifest.SIGNED else None,
        grantor_root_id=given.grantor_root_id if given.suite == grant.SIGNED else None,
        revision=sheet.revision,
        not_after=given.not_after,
    )


def open_content(
    sheet: manifest.Manifest, keys: FileKeys, leaves: Sequence[bytes] | None, body: bytes
) -> tuple[Metadata, bytes]:
    """Steps 5 to 9."""
    sheet.verify_mac(keys)
    payload = sheet.open_payload(keys)
    about = sheet.open_metadata(keys)
    plain_length = sheet.body_length - floe.SEGMENT_OVERHEAD * sheet.segments
    require(padding.payload_length(about.stored_size, about.padding) == plain_length, "payload and stored size")

    segments = split_body(sheet, body)
    if leaves is None:
        leaves = [tree.leaf(segment) for segment in segments]
    require(len(leaves) == sheet.segments, "another number of leaves")
    require(equal(tree.root(leaves), sheet.tree_root), "root of the integrity tree")

    plain = bytearray()
    for index, segment in enumerate(segments):
        require(equal(tree.leaf(segment), leaves[index]), "a segment that is not its leaf's")
        plain += payload.open_segment(index, index == sheet.segments - 1, bytes(segment))
    stored = padding.unpad(bytes(plain), about.stored_size, about.padding)
    content = stored
    if about.compression == padding.COMPRESSION_GZIP:
        content = padding.inflate(stored, about.original_size)
    if len(content) != about.original_size:
        raise Refused("another size than the metadata's")
    return about, content
