"""Counting the elements that MessagePack data declares, without building any of them.

A few megabytes of empty lists decode to gigabytes of objects, so large data is measured before it is decoded.
Malformed data is not refused here but by the decoder, which stops at the same place.
"""

from __future__ import annotations

from themis_vcs.errors import DecodingError

_FIXED, _LENGTH, _ITEMS, _STOP = range(4)
_SHORT = frozenset({0xC4, 0xD9})
"""Bytes and text whose length is one byte."""


def check_elements(data: bytes, limit: int) -> None:
    """Raise DecodingError when `data` declares more than `limit` elements (ENC-13).

    Every value counts as one, and so does every key of a map. Takes time by the token, not by the byte.
    """
    position, end, declared = 0, len(data), 1
    skips, opens = _SKIPS, _OPENS
    while position < end:
        head = data[position]
        skip = skips[head]
        if skip:
            position += skip
            continue
        if head in _SHORT and position + 1 < end:  # What most of large data is made of.
            position += 2 + data[position + 1]
            continue
        how, width, factor = opens[head]
        if how == _STOP:
            return
        if how == _FIXED:
            position += 1
            declared += width * factor
        else:
            size = int.from_bytes(data[position + 1 : position + 1 + width], "big")
            position += 1 + width
            if how == _LENGTH:
                position += size
            else:
                declared += size * factor
        if declared > limit:
            raise DecodingError(f"over the limit of {limit:,} elements")


def _tables() -> tuple[list[int], list[tuple[int, int, int]]]:
    """Return two tables by head byte: the size of a token that holds no others, or 0; how to read the rest.

    An entry of the second is (how, number, values per item): for _FIXED the number of items, for _LENGTH and
    _ITEMS the number of bytes of the length that follows.
    """
    skips = [0] * 256
    opens = [(_STOP, 0, 0)] * 256
    for head in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3):
        skips[head] = 1
    for head in range(0xA0, 0xC0):
        skips[head] = 1 + head - 0xA0
    for head, size in ((0xCA, 5), (0xCB, 9), (0xCC, 2), (0xCD, 3), (0xCE, 5), (0xCF, 9)):
        skips[head] = size
    for head, size in ((0xD0, 2), (0xD1, 3), (0xD2, 5), (0xD3, 9)):
        skips[head] = size
    for head in range(0x80, 0x90):
        opens[head] = (_FIXED, head - 0x80, 2)
        opens[head + 0x10] = (_FIXED, head - 0x80, 1)
    for head, width in ((0xC4, 1), (0xC5, 2), (0xC6, 4), (0xD9, 1), (0xDA, 2), (0xDB, 4)):
        opens[head] = (_LENGTH, width, 1)
    for head, width, factor in ((0xDC, 2, 1), (0xDD, 4, 1), (0xDE, 2, 2), (0xDF, 4, 2)):
        opens[head] = (_ITEMS, width, factor)
    return skips, opens


_SKIPS, _OPENS = _tables()
