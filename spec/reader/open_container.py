#!/usr/bin/env python3
"""Opens a container file: open_container.py CONTAINER (--vault-json FILE | --key FILE.pem) [-o OUT]

The keys are an unencrypted RSA PEM, or a JSON file {"root_seed": hex, "xwing_seed": hex}.  With -o, the content goes
to a new file and the metadata, as JSON, to standard output; without, the content goes to standard output and the
metadata to standard error.  The author's name and address are what the container claims; nothing is pinned.
"""

import argparse
import json
import sys
from pathlib import Path

from waxwing_reader import container
from waxwing_reader.errors import Refused
from waxwing_reader.recipient import KeyHolder
from waxwing_reader.rsa import RsaKey
from waxwing_reader.xwing import XWingKey


def keys_from_json(path: Path) -> KeyHolder:
    fields = json.loads(path.read_text("utf-8"))
    if not isinstance(fields, dict) or fields.keys() != {"root_seed", "xwing_seed"}:
        raise ValueError("the JSON file has to hold root_seed and xwing_seed")
    return KeyHolder(bytes.fromhex(fields["root_seed"]), xwing=[XWingKey(bytes.fromhex(fields["xwing_seed"]))])


def main() -> int:
    parser = argparse.ArgumentParser(description="Opens a container of the Waxwing format.")
    parser.add_argument("container", type=Path)
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--vault-json", type=Path, metavar="FILE", help="root_seed and xwing_seed, as hex in JSON")
    keys.add_argument("--key", type=Path, metavar="FILE.pem", help="an unencrypted RSA private key")
    parser.add_argument("-o", "--output", type=Path, help="a file that does not exist yet")
    options = parser.parse_args()
    try:
        if options.key is not None:
            recipient = KeyHolder(rsa=[RsaKey.from_pem(options.key.read_bytes())])
        else:
            recipient = keys_from_json(options.vault_json)
        opened, author = container.open_container(options.container.read_bytes(), recipient)
        if options.output is not None:
            with options.output.open("xb") as out:
                out.write(opened.content)
    except Refused as refused:
        print(f"open_container: {refused}", file=sys.stderr)
        return 1
    except (OSError, ValueError, TypeError) as error:
        print(f"open_container: {error}", file=sys.stderr)
        return 2
    about = opened.metadata
    described = {
        "name": about.name,
        "media_type": about.media_type,
        "original_size": about.original_size,
        "modified_ms": about.modified_ms,
        "box_id": None if about.box_id is None else about.box_id.hex(),
        "preview": None if about.preview is None else about.preview.media_type,
        "revision": opened.revision,
        "not_after": opened.not_after,
        "sharing": opened.sharing,
        "author_root_id": None if opened.author_root_id is None else opened.author_root_id.hex(),
        "author_claims_address": None if author is None else author.address,
        "grantor_root_id": None if opened.grantor_root_id is None else opened.grantor_root_id.hex(),
    }
    # Escaped to ASCII, so that a name cannot steer a terminal.
    print(json.dumps(described, indent=2, ensure_ascii=True), file=sys.stdout if options.output else sys.stderr)
    if options.output is None:
        sys.stdout.buffer.write(opened.content)
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
