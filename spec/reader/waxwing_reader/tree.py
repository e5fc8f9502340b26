"""The integrity tree over the segments (section 3), shaped as in RFC 9162, section 2.1."""

from collections.abc import Iterable

from .hashing import sha256


def leaf(segment: bytes) -> bytes:
    return sha256(b"\x00", segment)


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over at least one leaf, with a stack of one node per level."""
    stack: list[tuple[int, bytes]] = []
    for node in leaves:
        level = 0
        while stack and stack[-1][0] == level:
            node = sha256(b"\x01", stack.pop()[1], node)
            level += 1
        stack.append((level, node))
    if not stack:
        raise ValueError("a tree has a leaf at least")
    node = stack.pop()[1]
    while stack:
        node = sha256(b"\x01", stack.pop()[1], node)
    return node
