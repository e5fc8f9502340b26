"""Makes answers.json: what another implementation computes, for our tests to compare with.

Run `python3 spec/known/make.py > spec/known/answers.json`. Everything but HPKE's encapsulation is a function of
fixed inputs, so that a second run differs only there.
"""

import json
import random
import unicodedata

from sealing import *

draw = random.Random(20)


def fixed(label, length):
    return hashlib.shake_256(b"waxwing/known/" + label.encode()).digest(length)


def text(length):
    """Plaintext of any length, the same as in the tests: n xor n >> 8 xor n >> 16."""
    return bytes((n ^ n >> 8 ^ n >> 16) & 0xFF for n in range(length))


def padme_table():
    sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 4095, 4096, 4097, (1 << 44) - 1, 1 << 44}
    for bits in range(1, 45):
        sizes |= {(1 << bits) - 1, 1 << bits, min((1 << bits) + 1, 1 << 44)}
        sizes |= {draw.randrange(1 << bits) for _ in range(12)}
    return [[size, padme(size)] for size in sorted(sizes)]


def merkle_roots():
    """The eight leaves that Certificate Transparency tests with, and larger trees of counted leaves."""
    known = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf(bytes.fromhex(data)) for data in known]
    counted = [leaf(n.to_bytes(4, "big")) for n in range(3000)]
    counts = [1, 2, 3, 5, 31, 32, 33, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 3000]
    return {
        "leaves": known,
        "roots": [tree_root(leaves[: n + 1]).hex() for n in range(8)],
        "counted": [[n, tree_root(counted[:n]).hex()] for n in counts],
    }


def argon2_values():
    rows = []
    for passphrase in ("correct horse battery staple", "p\u00e4ssw\u00f6rt \U0001f511", "x" * 200):
        salt = fixed("argon2 " + passphrase, 16)
        composed = unicodedata.normalize("NFC", passphrase).encode()
        key = slot_key(1, composed, salt)
        rows.append(
            {"passphrase": passphrase, "salt": salt.hex(), "argon2id": argon2id(composed, salt).hex(), "key": key.hex()}
        )
    return rows


def floe_small():
    rows = []
    for length in (0, 1, 32, 512, 1000):
        label = f"small {length}"
        key, aad, iv, nonce = fixed(label, 32), fixed(label + " aad", 20), fixed(label + " iv", 32), fixed(label, 12)
        sealed = seal_small(key, aad, iv, nonce, text(length))
        rows.append({"key": key.hex(), "aad": aad.hex(), "plain_len": length, "sealed": sealed.hex()})
    return rows


def payload_segments():
    """Leaves of segments of one payload at chosen positions: the tests make them again from IV and plaintext."""
    fk, file_id, author = fixed("payload fk", 32), fixed("payload file", 16), fixed("payload author", 32)
    key, aad = role_key(fk, file_id, b"payload"), payload_aad(1, file_id, author)
    iv = fixed("payload iv", 32)
    rows = []
    for index, is_last, length in (
        (0, True, 0),
        (0, True, 1),
        (0, False, PLAIN),
        (1, False, PLAIN),
        ((1 << 20) - 1, False, PLAIN),
        (1 << 20, False, PLAIN),
        ((1 << 20) + 1, True, 100),
        ((1 << 26) - 1, True, PLAIN),
    ):
        nonce = fixed(f"nonce {index} {is_last} {length}", 12)
        sealed = seal_segment(key, aad, iv, index, is_last, nonce, text(length))
        rows.append(
            {"index": index, "last": is_last, "plain_len": length, "nonce": nonce.hex(), "leaf": leaf(sealed).hex()}
        )
    return {
        "fk": fk.hex(),
        "file_id": file_id.hex(),
        "author": author.hex(),
        "header": floe_header(key, aad, iv).hex(),
        "segments": rows,
    }


def safety_numbers():
    rows = []
    for n in range(8):
        one, other = sorted((fixed(f"safety one {n}", 32), fixed(f"safety other {n}", 32)))
        digest = hashlib.sha512(b"waxwing/v1/safety\0" + one + other).digest()
        groups = [int.from_bytes(digest[5 * k : 5 * k + 5], "big") % 100000 for k in range(12)]
        rows.append({"one": other.hex(), "other": one.hex(), "digits": " ".join(f"{group:05}" for group in groups)})
    return rows


# Vectors of BIP 39 for 32 bytes of entropy.
PHRASES = {
    "signed": (b"\x7f" * 32, "legal winner thank year wave sausage worth useful " * 2 + "legal winner thank year wave sausage worth title"),
    "empty": (
        b"\x80" * 32,
        "letter advice cage absurd amount doctor acoustic avoid " * 2 + "letter advice cage absurd amount doctor acoustic bless",
    ),
    "anonymous": (b"\xff" * 32, "zoo " * 23 + "vote"),
}


def file_of(label, is_signed, metadata, stored):
    """A whole file of one segment for one reader, with both seeds."""
    fk, file_id = fixed(label + " fk", 32), fixed(label + " file", 16)
    author_seed, reader_root, reader_seed = (fixed(f"{label} {who}", 32) for who in ("author", "root", "xwing"))
    suite, author = (1, root_id(root_public(author_seed))) if is_signed else (3, bytes(32))
    key, aad, iv = role_key(fk, file_id, b"payload"), payload_aad(suite, file_id, author), fixed(label + " iv", 32)
    plain = stored + bytes((padme(len(stored)) if metadata[6] else len(stored)) - len(stored))
    body = seal_segment(key, aad, iv, 0, True, fixed(label + " nonce", 12), plain)
    header = floe_header(key, aad, iv)
    iv, nonce = fixed(label + " metadata iv", 32), fixed(label + " metadata nonce", 12)
    manifest = make_manifest(fk, suite, file_id, 3, author, header, body, cbor(metadata), iv, nonce)
    if is_signed:
        manifest = sign(author_seed, b"waxwing/v1/manifest\0", manifest)
    reader_root_id = root_id(root_public(reader_root))
    grant = make_grant(fk, manifest, author, reader_root_id, reader_seed, 2, 1_900_000_000)
    if is_signed:
        grant = sign(author_seed, b"waxwing/v1/grant\0", grant)
    vault_key, user_id = fixed(label + " vault key", 32), fixed(label + " user", 16)
    passphrase, salt = "correct horse battery staple", fixed(label + " salt", 16)
    slot = seal_slot(vault_key, 1, passphrase.encode(), salt, user_id, fixed(label + " slot iv", 32), bytes(12))
    entropy, words = PHRASES[label]
    salt = fixed(label + " phrase salt", 16)
    phrase_slot = seal_slot(vault_key, 2, entropy, salt, user_id, fixed(label + " phrase iv", 32), bytes(12))
    head = vault_head(user_id, 7, [slot, phrase_slot])
    identity = cbor({1: [reader_root], 2: [reader_seed], 3: [], 4: 5})
    return {
        "name": label,
        "author": root_public(author_seed).hex() if is_signed else None,
        "manifest": manifest.hex(),
        "grant": grant.hex(),
        "body": body.hex(),
        "original": stored.hex(),
        "fk": fk.hex(),
        "vault": seal_vault(vault_key, head, fixed(label + " vault iv", 32), bytes(12), identity).hex(),
        "vault_key": vault_key.hex(),
        "passphrase": passphrase,
        "phrase": words,
        "xwing_public": xwing_public_bytes(reader_seed).hex(),
    }


def files():
    def metadata(size, padding, **more):
        return {1: "re\u0301port.txt", 2: "text/plain", 3: size, 4: size, 5: 0, 6: padding, 7: -1, **more}

    anonymous = {**metadata(100, 1), 8: fixed("box", 16), 9: {1: "image/png", 2: fixed("preview", 700)}}
    return [
        file_of("signed", True, metadata(1000, 0), text(1000)),
        file_of("empty", True, metadata(0, 0), b""),
        file_of("anonymous", False, anonymous, text(100)),
    ]


def lines(value):
    """One row of a table on one line."""
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {lines(value[key])}" for key in value) + "\n}"
    return json.dumps(value)


print(
    lines(
        {
            "padme": padme_table(),
            "merkle": merkle_roots(),
            "argon2": argon2_values(),
            "safety": safety_numbers(),
            "small": floe_small(),
            "payload": payload_segments(),
            "files": files(),
        }
    )
)
