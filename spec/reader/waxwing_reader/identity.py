"""Identity bundles and the chains that they make (section 6)."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from . import rsa, signature, xwing
from .errors import Refused, require
from .fields import Cursor
from .hashing import ZEROS_32, ZEROS_64, root_id, sha256

MAGIC = b"WXWGID01"
LONGEST = 65536
LONGEST_ADDRESS = 254
LONGEST_LOCAL = 64
LONGEST_LABEL = 63
MOST_STEPS = 64
USAGES = (1, 2)
ALG_RSA, ALG_XWING = 1, 2


@dataclass(frozen=True)
class BundleKey:
    usage: int
    alg: int
    not_before: int
    not_after: int
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Bundle:
    raw: bytes = field(repr=False)
    user_id: bytes
    seq: int
    prev_hash: bytes
    root_key: bytes
    prev_root_key: bytes
    created: int
    min_format: int
    address: str
    keys: tuple[BundleKey, ...]

    @property
    def root_id(self) -> bytes:
        return root_id(self.root_key)

    @property
    def hash(self) -> bytes:
        return sha256(b"waxwing/v1/identity-hash\0", self.raw)


_LETTER_OR_DIGIT = r"[\p{Alphabetic}\p{N}]"
_LOCAL_ATOM = regex.compile(rf"(?:{_LETTER_OR_DIGIT}|[!#$%&'*+\-/=?^_`{{|}}~])+")
_LABEL = regex.compile(rf"(?:{_LETTER_OR_DIGIT}|-)+")


def check_address(data: bytes) -> str:
    require(len(data) <= LONGEST_ADDRESS, "bundle: length of the address")
    try:
        address = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise Refused("bundle: an address that is not UTF-8") from None
    require(unicodedata.is_normalized("NFC", address), "bundle: an address that is not in NFC")
    require(address.count("@") == 1, "bundle: an address without its parts")
    local, domain = address.split("@")
    require(len(local.encode()) <= LONGEST_LOCAL, "bundle: length of the address before the @")
    for atom in local.split("."):
        require(_LOCAL_ATOM.fullmatch(atom) is not None, "bundle: an address with another sign before the @")
    for label in domain.split("."):
        require(_LABEL.fullmatch(label) is not None, "bundle: an address with another sign behind the @")
        require(len(label.encode()) <= LONGEST_LABEL, "bundle: length of a label")
        require(not label.startswith("-") and not label.endswith("-"), "bundle: a hyphen at the end of a label")
    require(domain == unicodedata.normalize("NFC", domain.lower()), "bundle: a domain in capitals")
    return address


def _key(cursor: Cursor) -> BundleKey:
    usage, alg = cursor.u8(), cursor.u8()
    require(usage in USAGES, "bundle: usage of a key")
    require(alg in (ALG_RSA, ALG_XWING), "bundle: algorithm of a key")
    not_before, not_after = cursor.u64(), cursor.u64()
    key = cursor.take(cursor.u16())
    if alg == ALG_RSA:
        require(len(key) in rsa.SPKI_LENGTHS, "bundle: length of an RSA key")
    else:
        require(len(key) == xwing.PUBLIC_KEY_LENGTH, "bundle: length of an X-Wing key")
    return BundleKey(usage, alg, not_before, not_after, key)


def parse(raw: bytes) -> Bundle:
    """Parses a bundle, and verifies both of its signatures.  Of its keys only the lengths are looked at."""
    require(len(raw) <= LONGEST, "bundle: length")
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    user_id = cursor.take(16)
    seq = cursor.u32()
    require(seq >= 1, "bundle: number")
    prev_hash = cursor.take(32)
    require((prev_hash == ZEROS_32) == (seq == 1), "bundle: number and hash of the one before")
    root_key, prev_root_key = cursor.take(32), cursor.take(32)
    created = cursor.u64()
    min_format = cursor.u16()
    address = check_address(cursor.take(cursor.u16()))
    keys = tuple(_key(cursor) for _ in range(cursor.u16()))
    covered = raw[: cursor.at]
    sig, prev_sig = cursor.take(64), cursor.take(64)
    cursor.end()
    require((prev_root_key == ZEROS_32) == (prev_sig == ZEROS_64), "bundle: root before and its signature")
    signature.verify(root_key, b"waxwing/v1/identity\0" + covered, sig)
    if prev_root_key != ZEROS_32:
        signature.verify(prev_root_key, b"waxwing/v1/identity-rotation\0" + covered, prev_sig)
    return Bundle(raw, user_id, seq, prev_hash, root_key, prev_root_key, created, min_format, address, keys)


def follow(known: bytes, later: Sequence[bytes]) -> Bundle:
    """The newest bundle of a chain that begins at the known one; refuses a chain that does not hold."""
    require(len(later) <= MOST_STEPS, "chain: too long")
    before = parse(known)
    if list(later) == [known]:
        return before
    for raw in later:
        bundle = parse(raw)
        require(bundle.user_id == before.user_id, "chain: another user")
        require(bundle.seq == before.seq + 1, "chain: number")
        require(bundle.prev_hash == before.hash, "chain: hash of the one before")
        linked = before.root_key in (bundle.root_key, bundle.prev_root_key)
        require(linked, "chain: a root without a link")
        before = bundle
    return before
