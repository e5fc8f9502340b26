"""Ed25519 with rules that leave no room (section 6, Signatures).

What RFC 8032 leaves open is closed before the library is asked: S below the group order, and neither the public key
nor R with a y that is not canonical or that belongs to a point of small order.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import Refused, require

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493


def _small_order() -> frozenset[int]:
    """The y of the points of order 1, 2, 4 and 8.

    Doubling (x, y) gives a point with y = 0 when x^2 = -y^2; on the curve that is d*y^4 + 2*y^2 - 1 = 0, so
    y^2 = (-1 + s) / d with s^2 = 1 + d.  Of both s, one gives a square.
    """
    d = -121665 * pow(121666, -1, P) % P
    found = {0, 1, P - 1}
    root = _square_root((1 + d) % P)
    assert root is not None
    for s in (root, P - root):
        y = _square_root((s - 1) * pow(d, -1, P) % P)
        if y is not None:
            found |= {y, P - y}
    assert len(found) == 5
    return frozenset(found)


def _square_root(square: int) -> int | None:
    root = pow(square, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square:
            return candidate
    return None


SMALL_ORDER_Y = _small_order()


def _check_point(encoded: bytes) -> None:
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    require(y < P, "Ed25519: y is not below p")
    require(y not in SMALL_ORDER_Y, "Ed25519: a point of small order")


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Refuses a signature that is not valid by the strict rules."""
    require(len(public_key) == 32 and len(signature) == 64, "Ed25519: lengths")
    _check_point(public_key)
    _check_point(signature[:32])
    require(int.from_bytes(signature[32:], "little") < ORDER, "Ed25519: S is not below the order")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("Ed25519: signature") from None


def public_key(seed: bytes) -> bytes:
    require(len(seed) == 32, "Ed25519: seed length")
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
