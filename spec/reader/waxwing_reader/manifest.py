"""The manifest (section 4): what its author, or nobody, signed about a file."""

from dataclasses import dataclass, field

from . import floe, metadata, signature
from .errors import require
from .fields import Cursor, u16, u64
from .hashing import FileKeys, ZEROS_32, equal, hmac_sha256, root_id, sha256

MAGIC = b"WXWGMF01"
SIGNED, ANONYMOUS = 1, 3
LONGEST = 184 + floe.SMALL_OVERHEAD + 512 * 127 + 32 + 64


@dataclass(frozen=True)
class Manifest:
    raw: bytes = field(repr=False)
    suite: int
    file_id: bytes
    revision: int
    author_root_id: bytes
    header: bytes
    body_length: int
    segments: int
    tree_root: bytes
    sealed_metadata: bytes = field(repr=False)
    mac: bytes
    signature: bytes | None

    @property
    def content_id(self) -> bytes:
        return sha256(
            b"waxwing/v1/content\0",
            u16(self.suite),
            self.file_id,
            self.author_root_id,
            self.header,
            u64(self.body_length),
            self.tree_root,
        )

    def verify_author(self, author_key: bytes | None) -> None:
        """Step 2: the signature by the pinned root of the author; an anonymous manifest has none."""
        if self.signature is None:
            return
        require(author_key is not None, "the author is not pinned")
        assert author_key is not None
        require(root_id(author_key) == self.author_root_id, "the pinned root is not the author's")
        signature.verify(author_key, b"waxwing/v1/manifest\0" + self.raw[:-64], self.signature)

    def verify_mac(self, keys: FileKeys) -> None:
        """Step 5."""
        covered = self.raw[: 184 + len(self.sealed_metadata)]
        require(equal(hmac_sha256(keys.manifest, covered), self.mac), "HMAC of the manifest")

    def open_payload(self, keys: FileKeys) -> floe.Opener:
        """Step 6: the tag of the payload's header."""
        aad = payload_aad(self.suite, self.file_id, self.author_root_id)
        return floe.Opener(keys.payload, aad, self.header)

    def open_metadata(self, keys: FileKeys) -> metadata.Metadata:
        """Step 7."""
        aad = b"".join(
            (
                b"waxwing/v1/metadata\0",
                u16(self.suite),
                self.file_id,
                self.author_root_id,
                u64(self.revision),
                sha256(self.header),
            )
        )
        return metadata.parse(floe.open_small(keys.metadata, aad, self.sealed_metadata), self.suite)


def payload_aad(suite: int, file_id: bytes, author_root_id: bytes) -> bytes:
    return b"waxwing/v1/payload\0" + u16(suite) + file_id + author_root_id


def parse(raw: bytes) -> Manifest:
    cursor = Cursor(raw)
    cursor.magic(MAGIC)
    suite = cursor.u16()
    require(suite in (SIGNED, ANONYMOUS), "manifest: suite")
    file_id = cursor.take(16)
    revision = cursor.u64()
    require(revision >= 1, "manifest: revision")
    author_root_id = cursor.take(32)
    require((author_root_id == ZEROS_32) == (suite == ANONYMOUS), "manifest: author and suite")
    header = cursor.take(floe.HEADER_LENGTH)
    floe.check_parameters(header)
    body_length = cursor.u64()
    segments = floe.segment_count(body_length)
    tree_root = cursor.take(32)
    length = cursor.u32()
    blocks, rest = divmod(length - floe.SMALL_OVERHEAD, metadata.BLOCK)
    require(rest == 0 and 1 <= blocks <= 127, "manifest: length of the metadata")
    sealed_metadata = cursor.take(length)
    floe.check_small(sealed_metadata)
    mac = cursor.take(32)
    signed = cursor.take(64) if suite == SIGNED else None
    cursor.end()
    return Manifest(
        raw, suite, file_id, revision, author_root_id, header, body_length, segments, tree_root,
        sealed_metadata, mac, signed,
    )  # fmt: skip
