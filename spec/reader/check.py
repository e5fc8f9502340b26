#!/usr/bin/env python3
"""Runs every vector of every kind: check.py VECTORS_DIR [-v]

Prints one line per kind and one per failure; with -v also the cause of every refusal.  Ends with 1 if anything
failed, or if a kind has no cases.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waxwing_reader import container, drop_box, floe, grant, hashing, identity, link, manifest, members, opening, padding
from waxwing_reader import phrase, pins, safety, signature, tree, vault
from waxwing_reader.errors import Refused, require
from waxwing_reader.recipient import KeyHolder
from waxwing_reader.rsa import RsaKey
from waxwing_reader.xwing import XWingKey

Case = dict[str, Any]
NOT_A_KIND = {"keys", "segments"}


def unhex(text: str) -> bytes:
    data = bytes.fromhex(text)
    if data.hex() != text:
        raise ValueError("not lower-case hex")
    return data


def same(what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, not {expected!r}")


def reader_of(case: Case, vectors: Path) -> KeyHolder:
    reader = dict(case["reader"])
    root = reader.pop("root_seed", None)
    seed = reader.pop("xwing_seed", None)
    rsa = reader.pop("rsa_key", None)
    same("fields of the reader", reader, {})
    return KeyHolder(
        root_seed=None if root is None else unhex(root),
        xwing=[] if seed is None else [XWingKey(unhex(seed))],
        rsa=[] if rsa is None else [RsaKey.from_pem((vectors / rsa).read_bytes())],
    )


def check_opened(opened: opening.Opened, result: Case) -> None:
    expected = dict(result)
    got = {
        "name": opened.metadata.name,
        "media_type": opened.metadata.media_type,
        "original_size": len(opened.content),
        "sha256": hashlib.sha256(opened.content).hexdigest(),
        "sharing": opened.sharing,
    }
    if "modified_ms" in expected:
        got["modified_ms"] = opened.metadata.modified_ms
    same("result", got, expected)
    same("original size", opened.metadata.original_size, len(opened.content))


def body_of(case: Case, vectors: Path) -> bytes:
    body = case["body"]
    if "segments" in body:
        return b"".join((vectors / path).read_bytes() for path in body["segments"])
    return unhex(body["hex"])


def run_behind_link(case: Case, vectors: Path) -> None:
    """Manifest and grant are by the sender whom the link names, and by nobody else."""
    address = link.parse(case["reader"]["link"])
    author = unhex(case["author"])
    require(hashing.root_id(author) == address.root_id, "the link names another sender")
    holder = address.open(case["reader"]["password"]).holder()
    opened = opening.open_file(
        unhex(case["manifest"]), unhex(case["grant"]), body_of(case, vectors), holder, author
    )
    check_opened(opened, case.get("result", {}))


def run_file(case: Case, vectors: Path) -> None:
    if "link" in case["reader"]:
        return run_behind_link(case, vectors)
    data = body_of(case, vectors)
    pinned = [] if case["grantor"] is None else [unhex(case["grantor"])]
    author = None if case["author"] is None else unhex(case["author"])
    opened = opening.open_file(
        unhex(case["manifest"]), unhex(case["grant"]), data, reader_of(case, vectors), author, pinned
    )
    if "box_id" in case and opened.author_root_id is None:
        require(opened.metadata.box_id == unhex(case["box_id"]), "a file of another drop box")
    check_opened(opened, case.get("result", {}))


def run_container(case: Case, vectors: Path) -> None:
    raw = (vectors / case["container_file"]).read_bytes() if "container_file" in case else unhex(case["container"])
    opened, _ = container.open_container(raw, reader_of(case, vectors))
    check_opened(opened, case.get("result", {}))


def run_segment(case: Case, vectors: Path) -> None:
    file_id = unhex(case["file_id"])
    keys = hashing.file_keys(unhex(case["fk"]), file_id)
    aad = manifest.payload_aad(case["suite"], file_id, unhex(case["author_root_id"]))
    opener = floe.Opener(keys.payload, aad, unhex(case["header"]))
    segment = (vectors / case["segment_file"]).read_bytes() if "segment_file" in case else unhex(case["segment"])
    plain = opener.open_segment(case["index"], case["last"], segment)
    result = case.get("result", {})
    if "sha256" in result:
        same("SHA-256", hashlib.sha256(plain).hexdigest(), result["sha256"])
    else:
        same("plain", plain.hex(), result.get("plain"))


def run_grant(case: Case, vectors: Path) -> None:
    same("grant", grant.parse(unhex(case["grant"])).raw.hex(), case["grant"])


def run_bundle(case: Case, vectors: Path) -> None:
    identity.parse(unhex(case["bundle"]))


def run_chain(case: Case, vectors: Path) -> None:
    bundles = [unhex(bundle) for bundle in case["bundles"]]
    newest = identity.follow(bundles[0], bundles[1:])
    same("newest bundle", newest.raw, bundles[-1])


def run_vault(case: Case, vectors: Path) -> None:
    raw, secret = unhex(case["vault"]), case["secret"]
    if "passphrase" in secret:
        locked, secrets = vault.open_with_passphrase(raw, secret["passphrase"])
    else:
        entropy = phrase.entropy(secret["word_numbers"])
        same("entropy", entropy.hex(), secret["entropy"])
        locked, secrets = vault.open_with_entropy(raw, entropy)
    got = {
        "user_id": locked.user_id.hex(),
        "version": locked.version,
        "roots": [seed.hex() for seed in secrets.roots],
        "xwing": [seed.hex() for seed in secrets.xwing],
        "rsa": [key.hex() for key in secrets.rsa],
        "pins_version": secrets.pins_version,
    }
    same("result", got, case["result"])


def run_signature(case: Case, vectors: Path) -> None:
    signature.verify(unhex(case["public_key"]), unhex(case["message"]), unhex(case["signature"]))


def run_link(case: Case, vectors: Path) -> None:
    address = link.parse(case["address"])
    keys = address.open(case["password"])
    got = {
        "origin": address.origin,
        "link_id": address.link_id.hex(),
        "root_id": address.root_id.hex(),
        "has_password": address.has_password,
        "public_key": keys.public_key.hex(),
        "proof": keys.prove(unhex(case["nonce"])).hex(),
        "address": case["address"],
    }
    same("result", got, case.get("result"))


def run_proof(case: Case, vectors: Path) -> None:
    link.verify_proof(*(unhex(case[key]) for key in ("public_key", "link_id", "nonce", "proof")))


def run_box(case: Case, vectors: Path) -> None:
    opened = drop_box.open_box(case["address"], unhex(case["description"]), unhex(case["owner"]))
    got = {
        "created": opened.created,
        "ends": opened.ends,
        "max_files": opened.max_files,
        "max_body": opened.max_body,
        "title": None if opened.words is None else opened.words.title,
        "note": None if opened.words is None else opened.words.note or "",
    }
    same("result", got, case.get("result"))


def run_folder(case: Case, vectors: Path) -> None:
    bundle = members.parse(unhex(case["list"]))
    told = [
        {
            "path": member.path,
            "file_id": member.file_id.hex(),
            "content_id": member.content_id.hex(),
            "size": member.size,
            "min_revision": member.min_revision,
        }
        for member in bundle.members
    ]
    same("result", {"members": told, "empty": list(bundle.empty)}, case.get("result"))


def run_member(case: Case, vectors: Path) -> None:
    bundle = members.parse(unhex(case["list"]))
    (member,) = [member for member in bundle.members if member.path == case["path"]]
    about, content = members.open_member(
        member, unhex(case["manifest"]), body_of(case, vectors), unhex(case["author"])
    )
    got = {"name": about.name, "original_size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    same("result", got, case.get("result"))


def run_pins(case: Case, vectors: Path) -> None:
    record = pins.open_record(unhex(case["pins"]), unhex(case["user_id"]), unhex(case["root_seed"]))
    contacts = [
        {
            "address": contact.address,
            "user_id": contact.user_id.hex(),
            "root_id": contact.root_id.hex(),
            "seq": contact.seq,
            "hash": contact.hash.hex(),
            "verified": contact.verified,
            "first_seen": contact.first_seen,
            "previous": [[root.root_id.hex(), root.linked] for root in contact.previous],
        }
        for contact in record.contacts
    ]
    got = {
        "version": record.version,
        "contacts": contacts,
        "forgotten": [[entry.address, entry.at] for entry in record.forgotten],
        "files": [[file.file_id.hex(), file.revision, file.digest.hex()] for file in record.files],
    }
    same("result", got, case.get("result"))


def number_boxes(case: Case) -> None:
    for entry in case["boxes"]:
        seed, box_id = unhex(entry["root_seed"]), unhex(entry["box_id"])
        key = drop_box.words_key(seed, box_id)
        same("key of the words", key.hex(), entry["key"])
        owner = hashing.root_id(signature.public_key(seed))
        address = drop_box.address_of("https://files.people.example", box_id, key, owner)
        same("address", address, entry["address"])


def number_padme(case: Case) -> None:
    for stored, padded in case["table"]:
        same(f"Padmé of {stored}", padding.padme(stored), padded)


def number_tree(case: Case) -> None:
    for count, root in enumerate(case["roots"], 1):
        got = tree.root(tree.leaf(bytes([n])) for n in range(count))
        same(f"root over {count}", got.hex(), root)


def number_safety(case: Case) -> None:
    for pair in case["pairs"]:
        ids = [unhex(root) for root in pair["root_ids"]]
        same("groups", safety.groups(*ids), pair["groups"])
        same("words", safety.word_numbers(*ids), pair["word_numbers"])
        same("QR text", safety.qr_text(*ids), pair["qr"])


def number_recipients(case: Case) -> None:
    for entry in case["recipients"]:
        got = hashing.recipient_id(entry["wrap"], unhex(entry["root_id"]), unhex(entry["key"]))
        same(entry["what"], got.hex(), entry["recipient_id"])


def number_people(case: Case) -> None:
    for person in case["people"]:
        root_key = signature.public_key(unhex(person["root_seed"]))
        same("root key", root_key.hex(), person["root_key"])
        same("root id", hashing.root_id(root_key).hex(), person["root_id"])
        key = XWingKey(unhex(person["xwing_seed"]))
        same("X-Wing key", key.public_key.hex(), person["xwing_key"])
        bundle = identity.parse(unhex(person["bundle"]))
        same("root key of the bundle", bundle.root_key, root_key)
        same("key of the bundle", key.public_key in [entry.key for entry in bundle.keys], True)


def number_passphrase(case: Case) -> None:
    salt = unhex(case["salt"])
    stretched = vault.argon2id(case["passphrase"], salt)
    same("Argon2id", stretched.hex(), case["argon2id"])
    same("slot key", vault.slot_key(vault.PASSPHRASE, stretched, salt).hex(), case["slot_key"])


def number_phrases(case: Case) -> None:
    for entry in case["phrases"]:
        same("words", phrase.word_numbers(unhex(entry["entropy"])), entry["word_numbers"])
        same("entropy", phrase.entropy(entry["word_numbers"]).hex(), entry["entropy"])


def number_file_keys(case: Case) -> None:
    keys = hashing.file_keys(unhex(case["fk"]), unhex(case["file_id"]))
    for entry in case["keys"]:
        same(entry["role"], getattr(keys, entry["role"]).hex(), entry["key"])


NUMBERS: dict[str, Callable[[Case], None]] = {
    "padme": number_padme,
    "tree": number_tree,
    "safety": number_safety,
    "recipients": number_recipients,
    "people": number_people,
    "passphrase": number_passphrase,
    "phrases": number_phrases,
    "file-keys": number_file_keys,
    "boxes": number_boxes,
}

# The kinds, and what `expect` says where a reader takes what it is given.
KINDS: dict[str, tuple[Callable[[Case, Path], None], str]] = {
    "file": (run_file, "open"),
    "container": (run_container, "open"),
    "grant": (run_grant, "well-formed"),
    "segment": (run_segment, "open"),
    "bundle": (run_bundle, "genuine"),
    "chain": (run_chain, "follows"),
    "vault": (run_vault, "open"),
    "signature": (run_signature, "valid"),
    "link": (run_link, "open"),
    "proof": (run_proof, "valid"),
    "box": (run_box, "open"),
    "folder": (run_folder, "open"),
    "member": (run_member, "open"),
    "pins": (run_pins, "open"),
}


def outcome(path: Path, kind: str, vectors: Path, verbose: bool) -> str | None:
    """Why the case failed, or None."""
    case = json.loads(path.read_text("utf-8"))
    if kind == "numbers":
        if path.stem not in NUMBERS:
            return "unknown numbers"
        try:
            NUMBERS[path.stem](case)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None
    run, good = KINDS[kind]
    if case["expect"] not in (good, "refuse"):
        return f"expects {case['expect']!r}, which this kind does not know"
    try:
        run(case, vectors)
    except Refused as refused:
        if verbose:
            print(f"  {kind}/{path.stem}: {refused.reason}")
        return None if case["expect"] == "refuse" else f"refused ({refused.reason})"
    except Exception as error:
        if case["expect"] == "refuse" and isinstance(error, AssertionError):
            return "opened, but must be refused"
        return f"{type(error).__name__}: {error}"
    return None if case["expect"] == good else "opened, but must be refused"


def main() -> int:
    arguments = argparse.ArgumentParser(description="Runs the vectors of the Waxwing format.")
    arguments.add_argument("vectors", type=Path)
    arguments.add_argument("-v", "--verbose", action="store_true", help="say why each refusal was one")
    options = arguments.parse_args()
    vectors: Path = options.vectors
    bad = False
    for kind in [*KINDS, "numbers"]:
        failures: list[str] = []
        paths = sorted((vectors / kind).glob("*.json"))
        for path in paths:
            why = outcome(path, kind, vectors, options.verbose)
            if why is not None:
                failures.append(f"  FAILED {kind}/{path.stem}: {why}")
        print(f"{kind}: {len(paths)} cases, {len(paths) - len(failures)} as expected, {len(failures)} failed")
        for line in failures:
            print(line)
        bad = bad or bool(failures) or not paths
    for folder in sorted(vectors.iterdir()):
        if folder.is_dir() and folder.name not in {*KINDS, "numbers"} | NOT_A_KIND:
            print(f"  FAILED {folder.name}: an unknown kind")
            bad = True
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
