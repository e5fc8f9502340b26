"""The grant (section 5): the key of a file, wrapped for one recipient."""

from dataclasses import dataclass, field

from . import floe, signature, xwing
from .errors import Refused, require
from .fields import Cursor
from .hashing import ZEROS_16, ZEROS_32, root_id, sha256

MAGIC = b"WXWGGR01"
RSA, XWING, LINK = 1, 2, 3
SIGNED, ANONYMOUS = 1, 3
FIXED_LENGTH = 140
LONGEST = FIXED_LENGTH + 2 + 1120 + 2 + 48 + 64  # an X-Wing grant; those of RSA are shorter

_ENCAPSULATED = {RSA: 0, XWING: xwing.ENCAPSULATED_LENGTH, LINK: 0}
_WRAPPED = {RSA: (256, 384, 512), XWING: (48,), LINK: (floe.SMALL_OVERHEAD + 32,)}


@dataclass(frozen=True)
class Grant:
    raw: bytes = field(repr=False)
    wrap: int
    suite: int
    file_id: bytes
    content_id: bytes
    recipient_id: bytes
    grantor_root_id: bytes
    min_revision: int
    not_after: int
    encapsulated: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    signature: bytes | None

    @property
    def bound(self) -> bytes:
        return sha256(b"waxwing/v1/grant-key\0", self.raw[:FIXED_LENGTH])

    def verify_grantor(self, roots: dict[bytes, bytes]) -> None:
        """Step 2: the signature by the grantor's root, out of those that the reader knows by their ids."""
        if self.signature is None:
            return
        grantor = roots.get(self.grantor_root_id)
        if grantor is None or root_id(grantor) != self.grantor_root_id:
            raise Refused("the grantor is not known")
        signature.verify(grantor, b"waxwing/v1/grant\0" + self.raw[:-64], self.signature)


def parse(raw: bytes) -> Grant:
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    wrap = cursor.u16()
    require(wrap in _WRAPPED, "grant: wrap")
    suite = cursor.u16()
    require(suite in (SIGNED, ANONYMOUS), "grant: suite")
    file_id = cursor.take(16)
    content_id = cursor.take(32)
    recipient = cursor.take(32)
    require(wrap != LINK or recipient[16:] == ZEROS_16, "grant: recipient id of a link")
    grantor = cursor.take(32)
    require((grantor == ZEROS_32) == (suite == ANONYMOUS), "grant: grantor and suite")
    min_revision = cursor.u64()
    not_after = cursor.u64()
    length = cursor.u16()
    require(length == _ENCAPSULATED[wrap], "grant: length of the encapsulated key")
    encapsulated = cursor.take(length)
    length = cursor.u16()
    require(length in _WRAPPED[wrap], "grant: length of the wrapped key")
    wrapped = cursor.take(length)
    if wrap == LINK:
        floe.check_small(wrapped)
    signed = cursor.take(64) if suite == SIGNED else None
    cursor.end()
    return Grant(
        raw, wrap, suite, file_id, content_id, recipient, grantor, min_revision, not_after,
        encapsulated, wrapped, signed,
    )  # fmt: skip
