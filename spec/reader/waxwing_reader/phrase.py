"""Recovery phrases: 24 words of BIP 39 that hold 32 bytes of entropy and a checksum of 8 bits (section 7)."""

from collections.abc import Sequence

from .errors import Refused, require
from .hashing import sha256

WORDS = 24
LIST_LENGTH = 2048
SHORTEST_CUT = 4


def word_numbers(entropy: bytes) -> list[int]:
    require(len(entropy) == 32, "phrase: length of the entropy")
    bits = int.from_bytes(entropy + sha256(entropy)[:1], "big")
    return [bits >> (11 * (WORDS - 1 - k)) & 2047 for k in range(WORDS)]


def entropy(numbers: Sequence[int]) -> bytes:
    """The entropy behind the numbers of the words; refuses a checksum that does not hold."""
    require(len(numbers) == WORDS, "phrase: number of words")
    bits = 0
    for number in numbers:
        require(0 <= number < LIST_LENGTH, "phrase: number of a word")
        bits = bits << 11 | number
    data = bits.to_bytes(33, "big")
    require(sha256(data[:32])[0] == data[32], "phrase: checksum")
    return data[:32]


def _find(typed: str, words: Sequence[str]) -> int:
    if typed in words:
        return words.index(typed)
    require(len(typed) >= SHORTEST_CUT, "phrase: no such word")
    found = [number for number, word in enumerate(words) if word.startswith(typed)]
    if len(found) != 1:
        raise Refused("phrase: no such word, or several")
    return found[0]


def typed_entropy(typed: str, words: Sequence[str]) -> bytes:
    """The entropy of a phrase as somebody typed it, with the English list of BIP 39."""
    require(len(words) == LIST_LENGTH, "phrase: the list of words")
    return entropy([_find(word, words) for word in typed.lower().split()])
