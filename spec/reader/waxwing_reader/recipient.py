"""Who reads: a person, with keys that belong to a root, or a bare RSA key, or a link's key (section 5)."""

from typing import Protocol

from . import floe, grant, signature
from .errors import Refused, require
from .hashing import ZEROS_16, ZEROS_32, recipient_id, root_id
from .rsa import RsaKey
from .xwing import XWingKey


class Recipient(Protocol):
    """Whatever can be granted a file."""

    root_key: bytes | None

    def is_named_by(self, given: grant.Grant) -> bool:
        """Whether the grant is for this recipient; uses public keys only."""

    def unwrap(self, given: grant.Grant) -> bytes:
        """Step 4: the file key."""


def _file_key(unwrapped: bytes) -> bytes:
    require(len(unwrapped) == 32, "a file key of another length")
    return unwrapped


class KeyHolder:
    """A person, or a key that stands alone.

    A grant names a person's key together with the person's root, or with zeros; a key that stands alone with zeros.
    """

    def __init__(
        self, root_seed: bytes | None = None, xwing: list[XWingKey] | None = None, rsa: list[RsaKey] | None = None
    ) -> None:
        self.root_key = None if root_seed is None else signature.public_key(root_seed)
        roots = [ZEROS_32] if self.root_key is None else [root_id(self.root_key), ZEROS_32]
        self._xwing = {recipient_id(grant.XWING, root, key.public_key): key for key in xwing or [] for root in roots}
        self._rsa = {recipient_id(grant.RSA, root, key.public_key): key for key in rsa or [] for root in roots}

    def is_named_by(self, given: grant.Grant) -> bool:
        if given.wrap == grant.XWING:
            return given.recipient_id in self._xwing
        return given.wrap == grant.RSA and given.recipient_id in self._rsa

    def unwrap(self, given: grant.Grant) -> bytes:
        require(self.is_named_by(given), "a grant for somebody else")
        if given.wrap == grant.XWING:
            key = self._xwing[given.recipient_id]
            return _file_key(key.open(given.encapsulated, given.wrapped, given.bound))
        return _file_key(self._rsa[given.recipient_id].unwrap(given.wrapped, given.bound))


class LinkHolder:
    """Whoever has a link: its id and its wrap key."""

    root_key: bytes | None = None

    def __init__(self, link_id: bytes, wrap_key: bytes) -> None:
        if len(link_id) != 16 or len(wrap_key) != 32:
            raise Refused("link: lengths")
        self._recipient_id = link_id + ZEROS_16
        self._wrap_key = wrap_key

    def is_named_by(self, given: grant.Grant) -> bool:
        return given.wrap == grant.LINK and given.recipient_id == self._recipient_id

    def unwrap(self, given: grant.Grant) -> bytes:
        require(self.is_named_by(given), "a grant for somebody else")
        return _file_key(floe.open_small(self._wrap_key, given.bound, given.wrapped))
