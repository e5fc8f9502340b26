"""Integers and byte strings at a place (section 0): big-endian, and never a byte beyond the end."""

from .errors import Refused, require

U64_LIMIT = 2**53  # a u64 has to be below


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


class Cursor:
    """Reads fields one after the other; refuses to read past the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        if length < 0 or length > self.left:
            raise Refused("it ends too early")
        piece = self.data[self.at : self.at + length]
        self.at += length
        return piece

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def u8(self) -> int:
        return self.number(1)

    def u16(self) -> int:
        return self.number(2)

    def u32(self) -> int:
        return self.number(4)

    def u64(self) -> int:
        value = self.number(8)
        require(value < U64_LIMIT, "a u64 above 2^53 - 1")
        return value

    def magic(self, expected: bytes) -> None:
        require(self.take(len(expected)) == expected, "unknown magic")

    def end(self) -> None:
        require(self.left == 0, "bytes behind the end")
