"""RSA keys of the format: exactly 2048, 3072 or 4096 bits, e = 65537; OAEP with SHA-256 and a label (section 5)."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from .errors import Refused, require

KEY_BITS = (2048, 3072, 4096)


def _check(key: RSAPublicKey) -> None:
    require(key.key_size in KEY_BITS, "RSA: key size")
    require(key.public_numbers().e == 65537, "RSA: exponent")


def _spki(key: RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def check_public_key(der: bytes) -> None:
    """Refuses what is not the DER SubjectPublicKeyInfo of an RSA key of the format."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("RSA: not a public key") from None
    if not isinstance(key, RSAPublicKey):
        raise Refused("RSA: a key of another algorithm")
    _check(key)
    require(_spki(key) == der, "RSA: not the DER of the key")


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
        """Refuses anything but the unencrypted PKCS#8 DER that the key itself would be written as."""
        key = cls._loaded(der, serialization.load_der_private_key)
        again = key._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        require(again == der, "RSA: not the PKCS#8 of the key")
        return key

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
