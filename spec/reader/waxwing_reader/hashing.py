"""SHA-256 over joined fields, HKDF-SHA-256 (RFC 5869), and the ids and keys that come from them (sections 0, 2, 5, 6)."""

import hashlib
import hmac
from dataclasses import dataclass

from .fields import u16

ZEROS_16 = bytes(16)
ZEROS_32 = bytes(32)
ZEROS_64 = bytes(64)


def sha256(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def equal(left: bytes, right: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(left, right)


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    if not 0 < length <= 255 * 32:
        raise ValueError("HKDF length")
    key = hmac_sha256(salt, ikm)
    block = b""
    out = b""
    counter = 1
    while len(out) < length:
        block = hmac_sha256(key, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]


def root_id(root_key: bytes) -> bytes:
    return sha256(b"waxwing/v1/root\0", root_key)


def recipient_id(wrap: int, recipient_root_id: bytes, key: bytes) -> bytes:
    return sha256(b"waxwing/v1/recipient\0", u16(wrap), recipient_root_id, key)


@dataclass(frozen=True)
class FileKeys:
    """The three keys of an upload (section 2)."""

    payload: bytes
    metadata: bytes
    manifest: bytes


def file_keys(fk: bytes, file_id: bytes) -> FileKeys:
    return FileKeys(
        payload=hkdf(fk, file_id, b"waxwing/v1/key/payload", 32),
        metadata=hkdf(fk, file_id, b"waxwing/v1/key/metadata", 32),
        manifest=hkdf(fk, file_id, b"waxwing/v1/key/manifest", 32),
    )
