"""RSA keys of the format: exactly 2048, 3072 or 4096 bits, e = 65537; OAEP with SHA-256 and a label (section 5)."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from .errors import Refused, require

KEY_BITS = (2048, 3072, 4096)
SPKI_LENGTHS = (294, 422, 550)
# A SEQUENCE of a length in two bytes; version 0; the algorithm rsaEncryption with its NULL.
_PKCS8_BEGINS = bytes.fromhex("3082"), bytes.fromhex("020100300d06092a864886f70d0101010500")


def _check(key: RSAPublicKey) -> None:
    require(key.key_size in KEY_BITS, "RSA: key size")
    require(key.public_numbers().e == 65537, "RSA: exponent")


def _spki(key: RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class RsaKey:
    """A private key."""

    def __init__(self, key: RSAPrivateKey) -> None:
        _check(key.public_key())
        self._key = key
        self.public_key: bytes = _spki(key.public_key())

    @classmethod
    def from_pem(cls, pem: bytes) -> "RsaKey":
        return cls._loaded(pem, serialization.load_pem_private_key)

    @classmethod
    def from_pkcs8(cls, der: bytes) -> "RsaKey":
        """Takes unencrypted PKCS#8 of version 1 with the algorithm rsaEncryption."""
        outer, version_and_algorithm = _PKCS8_BEGINS
        begins = der[:2] == outer and der[4:].startswith(version_and_algorithm)
        require(begins, "RSA: not PKCS#8 of version 1, or of another algorithm")
        return cls._loaded(der, serialization.load_der_private_key)

    @classmethod
    def _loaded(cls, data: bytes, load) -> "RsaKey":  # type: ignore[no-untyped-def]
        try:
            key = load(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refused("RSA: not a private key") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refused("RSA: a key of another algorithm")
        return cls(key)

    def unwrap(self, wrapped: bytes, label: bytes) -> bytes:
        require(len(wrapped) * 8 == self._key.key_size, "RSA: wrapped for a key of another size")
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
        try:
            return self._key.decrypt(wrapped, oaep)
        except ValueError:
            raise Refused("RSA: does not open") from None
