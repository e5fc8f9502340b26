"""The sealed-file format in Python, as far as known answers need it: written from spec/FORMAT.md, not from our code.

Needs PyPI cryptography (50 or newer, for HPKE with X-Wing) and argon2-cffi.
"""

import hashlib
import hmac
import struct

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

PARAMETERS = bytes.fromhex("00000004000000000020")
SEGMENT = 1 << 18
PLAIN = SEGMENT - 32


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def mac(algorithm, key, *parts):
    return hmac.new(key, b"".join(parts), algorithm).digest()


def hkdf(ikm, salt, info, length):
    """RFC 5869 with SHA-256, both steps written out."""
    prk = mac("sha256", salt, ikm)
    out, block = b"", b""
    for n in range(1, -(-length // 32) + 1):
        block = mac("sha256", prk, block, info, bytes([n]))
        out += block
    return out[:length]


# FLOE, section 1.


def expand(key, iv, purpose, aad, length):
    return mac("sha384", key, PARAMETERS, iv, purpose, aad, b"\x01")[:length]


def floe_header(key, aad, iv):
    return PARAMETERS + iv + expand(key, iv, b"HEADER_TAG:", aad, 32)


def segment_key(key, aad, iv, index):
    message_key = expand(key, iv, b"MESSAGE_KEY:", aad, 48)
    masked = struct.pack(">Q", index & ~((1 << 20) - 1))
    return expand(message_key, iv, b"DEK:" + masked, aad, 32)


def seal_segment(key, aad, iv, index, is_last, nonce, plain):
    word = struct.pack(">I", len(plain) + 32) if is_last else b"\xff" * 4
    bound = struct.pack(">Q", index) + (b"\x01" if is_last else b"\x00")
    return word + nonce + AESGCM(segment_key(key, aad, iv, index)).encrypt(nonce, plain, bound)


def open_segment(key, aad, header, index, is_last, sealed):
    iv = header[10:42]
    assert hmac.compare_digest(header, floe_header(key, aad, iv)), "header"
    word = struct.pack(">I", len(sealed)) if is_last else b"\xff" * 4
    assert sealed[:4] == word, "length word"
    bound = struct.pack(">Q", index) + (b"\x01" if is_last else b"\x00")
    return AESGCM(segment_key(key, aad, iv, index)).decrypt(sealed[4:16], sealed[16:], bound)


def seal_small(key, aad, iv, nonce, plain):
    return floe_header(key, aad, iv) + seal_segment(key, aad, iv, 0, True, nonce, plain)


def open_small(key, aad, sealed):
    return open_segment(key, aad, sealed[:74], 0, True, sealed[74:])


# Sections 2 to 5.


def role_key(fk, file_id, role):
    return hkdf(fk, file_id, b"waxwing/v1/key/" + role, 32)


def leaf(segment):
    return sha256(b"\x00", segment)


def tree_root(leaves):
    """MTH of RFC 9162 section 2.1.1, over leaves that are hashed already."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01", tree_root(leaves[:split]), tree_root(leaves[split:]))


def padme(stored):
    """PURBs, algorithm 1, with the floor of the format."""
    length = max(stored, 1)
    e = length.bit_length() - 1
    s = e.bit_length()
    mask = (1 << max(e - s, 0)) - 1
    return max((length + mask) & ~mask, 4096)


def root_id(public):
    return sha256(b"waxwing/v1/root\0", public)


def xwing_private(seed):
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )


def xwing_public_bytes(seed):
    expanded = hashlib.shake_256(seed).digest(96)
    kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    return kem + X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()


HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def recipient_id(wrap, root, key):
    return sha256(b"waxwing/v1/recipient\0", struct.pack(">H", wrap), root, key)


def payload_aad(suite, file_id, author):
    return b"waxwing/v1/payload\0" + struct.pack(">H", suite) + file_id + author


def metadata_aad(suite, file_id, author, revision, header):
    return (
        b"waxwing/v1/metadata\0"
        + struct.pack(">H", suite)
        + file_id
        + author
        + struct.pack(">Q", revision)
        + sha256(header)
    )


def content_id(manifest):
    """From the fields of a manifest's bytes."""
    return sha256(b"waxwing/v1/content\0", manifest[8:10], manifest[10:26], manifest[34:66], manifest[66:180])


def make_manifest(fk, suite, file_id, revision, author, header, body, cbor, iv, nonce):
    """Everything but the signature."""
    leaves = [leaf(body[at : at + SEGMENT]) for at in range(0, len(body), SEGMENT)]
    plain = struct.pack(">I", len(cbor)) + cbor
    plain += bytes(-len(plain) % 512)
    aad = metadata_aad(suite, file_id, author, revision, header)
    sealed = seal_small(role_key(fk, file_id, b"metadata"), aad, iv, nonce, plain)
    head = b"WXWGMF01" + struct.pack(">H", suite) + file_id + struct.pack(">Q", revision) + author + header
    head += struct.pack(">Q", len(body)) + tree_root(leaves) + struct.pack(">I", len(sealed)) + sealed
    return head + mac("sha256", role_key(fk, file_id, b"manifest"), head)


def make_grant(fk, manifest, grantor, recipient_root, seed, min_revision, not_after):
    """An X-Wing grant for the key of `seed`: everything but the signature."""
    recipient = recipient_id(2, recipient_root, xwing_public_bytes(seed))
    head = b"WXWGGR01" + b"\x00\x02" + manifest[8:10] + manifest[10:26] + content_id(manifest) + recipient + grantor
    head += struct.pack(">QQ", min_revision, not_after)
    bound = sha256(b"waxwing/v1/grant-key\0", head)
    sealed = HPKE.encrypt(fk, xwing_private(seed).public_key(), bound)
    encapsulated, wrapped = sealed[:1120], sealed[1120:]
    assert len(wrapped) == 48
    return head + b"\x04\x60" + encapsulated + b"\x00\x30" + wrapped


def open_grant(grant, seed):
    bound = sha256(b"waxwing/v1/grant-key\0", grant[:140])
    assert grant[140:142] == b"\x04\x60" and grant[1262:1264] == b"\x00\x30"
    return HPKE.decrypt(grant[142:1262] + grant[1264:1312], xwing_private(seed), bound)


def sign(seed, context, body):
    return body + Ed25519PrivateKey.from_private_bytes(seed).sign(context + body)


def verify(public, context, signed):
    Ed25519PublicKey.from_public_bytes(public).verify(signed[-64:], context + signed[:-64])


def root_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


# Vault, section 7.


def argon2id(passphrase, salt):
    return hash_secret_raw(
        passphrase, salt, time_cost=3, memory_cost=64 * 1024, parallelism=1, hash_len=32, type=Type.ID, version=0x13
    )


def slot_key(kind, secret, salt):
    label = {1: b"waxwing/v1/vault/passphrase", 2: b"waxwing/v1/vault/recovery"}[kind]
    stretched = argon2id(secret, salt) if kind == 1 else secret
    return hkdf(stretched, salt, label, 32)


def seal_slot(vault_key, kind, secret, salt, user_id, iv, nonce):
    aad = b"waxwing/v1/vault-slot\0" + user_id + bytes([kind]) + salt
    return bytes([kind]) + salt + seal_small(slot_key(kind, secret, salt), aad, iv, nonce, vault_key)


def open_slot(slot, secret, user_id):
    kind, salt = slot[0], slot[1:17]
    aad = b"waxwing/v1/vault-slot\0" + user_id + bytes([kind]) + salt
    return open_small(slot_key(kind, secret, salt), aad, slot[17:])


def vault_head(user_id, version, slots):
    return b"WXWGVT01" + user_id + struct.pack(">I", version) + bytes([len(slots)]) + b"".join(slots)


def seal_vault(vault_key, head, iv, nonce, cbor):
    return head + seal_small(vault_key, b"waxwing/v1/vault\0" + head, iv, nonce, cbor)


def open_vault_body(vault_key, vault):
    split = 29 + vault[28] * 155
    return open_small(vault_key, b"waxwing/v1/vault\0" + vault[:split], vault[split:])


# CBOR, as much as is needed here.


def cbor(value):
    def head(major, n):
        for width, info in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
            if info is None and n < 24:
                return bytes([major << 5 | n])
            if info is not None and n < 1 << 8 * width:
                return bytes([major << 5 | info]) + n.to_bytes(width, "big")
        raise ValueError(n)

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(value[key]) for key in sorted(value))
