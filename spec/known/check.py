"""Opens what our implementation sealed: `check.py FILE`, where FILE is what the example seal_known of crate format printed.

Also compares answers.json with what make.py computes now: `check.py --answers OLD NEW`.
"""

import json
import sys

from sealing import *


def read_cbor(data):
    """One value and what follows it; only the kinds of the format."""
    major, info = data[0] >> 5, data[0] & 31
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    n = int.from_bytes(data[1 : 1 + width], "big") if width else info
    rest = data[1 + width :]
    if major in (0, 1):
        return (n if major == 0 else -1 - n), rest
    if major in (2, 3):
        return (rest[:n] if major == 2 else rest[:n].decode()), rest[n:]
    items = []
    for _ in range(n if major == 4 else 2 * n):
        item, rest = read_cbor(rest)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), rest


def check(sealed):
    vault = sealed["vault"]
    assert vault[28] == 1
    vault_key = open_slot(vault[29:184], sealed["passphrase"], vault[8:24])
    identity, rest = read_cbor(open_vault_body(vault_key, vault))
    assert rest == b"" and sorted(identity) == [1, 2, 3, 4]
    seed = identity[2][0]
    assert root_public(identity[1][0]) == sealed["root"]
    assert xwing_public_bytes(seed) == sealed["xwing_public"]

    manifest, grant, author = sealed["manifest"], sealed["grant"], sealed["author"]
    verify(author, b"waxwing/v1/manifest\0", manifest)
    verify(author, b"waxwing/v1/grant\0", grant)
    assert manifest[34:66] == grant[92:124] == root_id(author)
    assert grant[12:28] == manifest[10:26] and grant[28:60] == content_id(manifest)
    assert grant[60:92] == recipient_id(2, root_id(sealed["root"]), sealed["xwing_public"])
    fk, file_id, header = open_grant(grant, seed), manifest[10:26], manifest[66:140]
    assert manifest[-96:-64] == mac("sha256", role_key(fk, file_id, b"manifest"), manifest[:-96])
    revision = int.from_bytes(manifest[26:34], "big")
    aad = metadata_aad(1, file_id, root_id(author), revision, header)
    plain = open_small(role_key(fk, file_id, b"metadata"), aad, manifest[184:-96])
    length = int.from_bytes(plain[:4], "big")
    metadata, rest = read_cbor(plain[4 : 4 + length])
    assert rest == b"" and not any(plain[4 + length :]) and cbor(metadata) == plain[4 : 4 + length]
    assert metadata[1] == "report.txt" and metadata[4] == len(sealed["original"]) and metadata[7] == -1

    body = sealed["body"]
    segments = [body[at : at + SEGMENT] for at in range(0, len(body), SEGMENT)]
    assert int.from_bytes(manifest[140:148], "big") == len(body)
    assert tree_root([leaf(segment) for segment in segments]) == manifest[148:180]
    key, aad = role_key(fk, file_id, b"payload"), payload_aad(1, file_id, root_id(author))
    opened = [
        open_segment(key, aad, header, n, n == len(segments) - 1, segment) for n, segment in enumerate(segments)
    ]
    assert b"".join(opened) == sealed["original"] and len(opened) == 2


def without_encapsulation(answers):
    """What does not differ from run to run: HPKE draws a fresh encapsulation, and signs over it."""
    for row in answers["files"]:
        row.pop("grant")
    return answers


if sys.argv[1] == "--answers":
    old, new = (without_encapsulation(json.load(open(path))) for path in sys.argv[2:4])
    assert old == new, "answers.json is not what make.py computes"
    print("known: the stored answers are what Python computes")
else:
    check({name: bytes.fromhex(text) for name, text in json.load(open(sys.argv[1])).items()})
    print("known: Python opened what Rust sealed")
