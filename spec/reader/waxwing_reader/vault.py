"""The vault (section 7): the secrets of a person, under a passphrase or a recovery phrase."""

import unicodedata
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from . import cbor, floe, xwing
from .errors import Refused, require
from .fields import U64_LIMIT, Cursor
from .hashing import hkdf
from .rsa import RsaKey

MAGIC = b"WXWGVT01"
PASSPHRASE, RECOVERY = 1, 2
SLOT_LENGTH = floe.SMALL_OVERHEAD + 32
MOST_TRIES = 4
_LABELS = {PASSPHRASE: b"waxwing/v1/vault/passphrase", RECOVERY: b"waxwing/v1/vault/recovery"}


@dataclass(frozen=True)
class Slot:
    kind: int
    salt: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class Vault:
    """A vault as it lies on a server."""

    user_id: bytes
    version: int
    slots: tuple[Slot, ...]
    covered: bytes = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Secrets:
    """What a vault holds, the newest key first."""

    roots: tuple[bytes, ...] = field(repr=False)
    xwing: tuple[bytes, ...] = field(repr=False)
    rsa: tuple[bytes, ...] = field(repr=False)
    pins_version: int


def argon2id(passphrase: str, salt: bytes) -> bytes:
    """What a passphrase becomes; the costs belong to the format."""
    try:
        typed = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("vault: a passphrase that is no text") from None
    require(len(typed) > 0, "vault: an empty passphrase")
    return Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024).derive(typed)


def slot_key(kind: int, secret: bytes, salt: bytes) -> bytes:
    return hkdf(secret, salt, _LABELS[kind], 32)


def parse(raw: bytes) -> Vault:
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    user_id = cursor.take(16)
    version = cursor.u32()
    count = cursor.u8()
    require(count >= 1, "vault: no slot")
    slots = []
    for _ in range(count):
        kind = cursor.u8()
        require(kind in _LABELS, "vault: kind of a slot")
        slot = Slot(kind, cursor.take(16), cursor.take(SLOT_LENGTH))
        floe.check_small(slot.sealed)
        slots.append(slot)
    covered, body = raw[: cursor.at], cursor.take(cursor.left)
    floe.check_small(body)
    return Vault(user_id, version, tuple(slots), covered, body)


def _seeds(item: cbor.Item, length: int) -> tuple[bytes, ...]:
    seeds = tuple(cbor.octets(seed) for seed in cbor.array(item))
    require(len(seeds) >= 1, "vault: a list without a seed")
    require(all(len(seed) == length for seed in seeds), "vault: length of a seed")
    return seeds


def _secrets(plain: bytes) -> Secrets:
    entries = cbor.decode_map(plain)
    cbor.check_keys(entries, {1, 2, 3, 4})
    keys = tuple(cbor.octets(key) for key in cbor.array(entries[3]))
    for key in keys:
        RsaKey.from_pkcs8(key)
    return Secrets(
        roots=_seeds(entries[1], 32),
        xwing=_seeds(entries[2], xwing.SEED_LENGTH),
        rsa=keys,
        pins_version=cbor.unsigned(entries[4], U64_LIMIT - 1),
    )


def _vault_key(vault: Vault, kind: int, secret: str | bytes) -> bytes:
    tried = [slot for slot in vault.slots if slot.kind == kind][:MOST_TRIES]
    for slot in tried:
        stretched = argon2id(secret, slot.salt) if isinstance(secret, str) else secret
        aad = b"waxwing/v1/vault-slot\0" + vault.user_id + bytes([kind]) + slot.salt
        try:
            return floe.open_small(slot_key(kind, stretched, slot.salt), aad, slot.sealed)
        except Refused:
            continue
    raise Refused("vault: no slot opens")


def _open(raw: bytes, kind: int, secret: str | bytes) -> tuple[Vault, Secrets]:
    vault = parse(raw)
    key = _vault_key(vault, kind, secret)
    return vault, _secrets(floe.open_small(key, b"waxwing/v1/vault\0" + vault.covered, vault.body))


def open_with_passphrase(raw: bytes, passphrase: str) -> tuple[Vault, Secrets]:
    return _open(raw, PASSPHRASE, passphrase)


def open_with_entropy(raw: bytes, entropy: bytes) -> tuple[Vault, Secrets]:
    """Opens by the entropy of a recovery phrase."""
    require(len(entropy) == 32, "vault: length of the entropy")
    return _open(raw, RECOVERY, entropy)
