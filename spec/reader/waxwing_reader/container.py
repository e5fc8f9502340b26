"""The container (section 8): everything of one file in one stream."""

from dataclasses import dataclass, field

from . import grant, identity, manifest
from .errors import Refused, require
from .fields import Cursor
from .opening import Opened, check_agreement, open_parsed
from .recipient import Recipient

MAGIC = b"WXWGCT01"


@dataclass(frozen=True)
class Container:
    sheet: manifest.Manifest
    author: identity.Bundle | None
    grants: tuple[grant.Grant, ...]
    leaves: tuple[bytes, ...] = field(repr=False)
    body: bytes = field(repr=False)


def _author(raw: bytes, sheet: manifest.Manifest) -> identity.Bundle | None:
    require((len(raw) == 0) == (sheet.suite == manifest.ANONYMOUS), "container: bundle and suite")
    if not raw:
        return None
    author = identity.parse(raw)
    require(author.root_id == sheet.author_root_id, "container: the bundle is not the author's")
    return author


def _grants(
    cursor: Cursor, sheet: manifest.Manifest, author: identity.Bundle | None
) -> tuple[grant.Grant, ...]:
    count = cursor.u16()
    require(count >= 1, "container: no grant")
    grants: list[grant.Grant] = []
    for _ in range(count):
        length = cursor.u32()
        require(length <= grant.LONGEST, "container: length of a grant")
        given = grant.parse(cursor.take(length))
        check_agreement(sheet, given)
        require(given.grantor_root_id == sheet.author_root_id, "container: a grant that is not the author's")
        require(given.suite == sheet.suite, "container: a grant of another suite")
        require(given.wrap != grant.LINK, "container: a link's grant")
        if author is not None:
            given.verify_grantor({author.root_id: author.root_key})
        ascending = not grants or grants[-1].recipient_id < given.recipient_id
        require(ascending, "container: grants twice or not in order")
        grants.append(given)
    return tuple(grants)


def parse(raw: bytes) -> Container:
    """Parses all of a container; proves that one root signed its bundle and its grants, not whose that root is."""
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    length = cursor.u32()
    require(length <= manifest.LONGEST, "container: length of the manifest")
    sheet = manifest.parse(cursor.take(length))
    length = cursor.u32()
    require(length <= identity.LONGEST, "container: length of the bundle")
    author = _author(cursor.take(length), sheet)
    grants = _grants(cursor, sheet, author)
    require(cursor.left == 32 * sheet.segments + sheet.body_length, "container: leaves and body")
    leaves = tuple(cursor.take(32) for _ in range(sheet.segments))
    return Container(sheet, author, grants, leaves, cursor.take(sheet.body_length))


def open_container(raw: bytes, recipient: Recipient) -> tuple[Opened, identity.Bundle | None]:
    """Opens a container by the first grant that is for the recipient.  The bundle that is returned says who the author claims to be, and pins nothing."""
    box = parse(raw)
    for given in box.grants:
        if recipient.is_named_by(given):
            author_key = None if box.author is None else box.author.root_key
            opened = open_parsed(box.sheet, given, box.leaves, box.body, recipient, author_key)
            return opened, box.author
    raise Refused("container: no grant for this reader")
