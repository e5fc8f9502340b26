"""Links (section 9): a secret in an address, and what is derived from it."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import address, signature, vault
from .errors import require
from .hashing import hkdf
from .recipient import LinkHolder

NONCE_LENGTH = 32
_CONTEXT = b"waxwing/v1/link-auth\0"


@dataclass(frozen=True)
class Link:
    origin: str
    link_id: bytes
    root_id: bytes
    has_password: bool
    secret: bytes = field(repr=False)

    def open(self, password: str | None) -> "Keys":
        """What secret and password give; the password of a link that has none is not looked at."""
        require(not self.has_password or password is not None, "link: a password is needed")
        ikm = self.secret
        if self.has_password and password is not None:
            salt = hkdf(self.secret, self.link_id, b"waxwing/v1/link/salt", 16)
            ikm += vault.argon2id(password, salt)
        return Keys(
            self.link_id,
            hkdf(ikm, self.link_id, b"waxwing/v1/link/wrap", 32),
            hkdf(ikm, self.link_id, b"waxwing/v1/link/auth", 32),
        )


@dataclass(frozen=True)
class Keys:
    link_id: bytes
    wrap_key: bytes = field(repr=False)
    auth_seed: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        return signature.public_key(self.auth_seed)

    def prove(self, nonce: bytes) -> bytes:
        key = Ed25519PrivateKey.from_private_bytes(self.auth_seed)
        return key.sign(_CONTEXT + self.link_id + nonce)

    def holder(self) -> LinkHolder:
        return LinkHolder(self.link_id, self.wrap_key)


def parse(text: str) -> Link:
    origin, link_id, mark, (secret, root_id) = address.split(text, "/s/", {"1": 2, "1p": 2})
    return Link(origin, link_id, root_id, mark == "1p", secret)


def verify_proof(public_key: bytes, link_id: bytes, nonce: bytes, proof: bytes) -> None:
    require(len(link_id) == 16 and len(nonce) == NONCE_LENGTH, "link: lengths of a proof")
    signature.verify(public_key, _CONTEXT + link_id + nonce, proof)
