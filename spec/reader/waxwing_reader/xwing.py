"""X-Wing keys out of their seeds, and HPKE in mode Base with them (section 5).

The 32-byte seed becomes SHAKE-256(seed, 96 bytes): 64 bytes of ML-KEM-768 seed (d, z) and 32 bytes of X25519 key.
A public key is the ML-KEM-768 key followed by the X25519 key.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .errors import Refused, require

SEED_LENGTH = 32
PUBLIC_KEY_LENGTH = 1216
ENCAPSULATED_LENGTH = 1120


class XWingKey:
    """A private key, from its seed."""

    def __init__(self, seed: bytes) -> None:
        require(len(seed) == SEED_LENGTH, "X-Wing: seed length")
        expanded = hashlib.shake_256(seed).digest(96)
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self._x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.public_key: bytes = (
            self._mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()
        )

    def open(self, encapsulated: bytes, ciphertext: bytes, info: bytes) -> bytes:
        """HPKE Base: KEM 0x647A, KDF 1, AEAD 2, with empty associated data."""
        require(len(encapsulated) == ENCAPSULATED_LENGTH, "X-Wing: encapsulated key length")
        require(len(ciphertext) >= 16, "X-Wing: ciphertext length")
        suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        key = hpke.MLKEM768X25519PrivateKey(self._mlkem, self._x25519)
        try:
            return suite.decrypt(encapsulated + ciphertext, key, info)
        except (InvalidTag, ValueError):
            raise Refused("X-Wing: does not open") from None
