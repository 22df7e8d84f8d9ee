"""The entries of trees of a run, handed out case by case in one pass, however their keys are ordered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class ByCase:
    """What a tree has under the keys of each case: DATASET/CASE, or DATASET/CASE/INDEX for samples and draws.

    The cases are asked for in the order of their keys, several at a time. "a/b-c/0" comes before "a/b/0", so entries
    that were read before their case wait for it.
    """

    def __init__(self, entries: Iterator[tuple[str, bytes]]) -> None:
        self._entries = entries
        self._next = next(entries, None)
        self._waiting: dict[str, dict[str, bytes]] = {}

    def take(self, cases: Sequence[str]) -> list[dict[str, bytes]]:
        """For each of the next cases its entries by key."""
        beyond = max(f"{case}0" for case in cases)  # "0" is the character behind "/"
        entry = self._next
        while entry is not None and entry[0] < beyond:
            key, oid = entry
            case = key if key.count("/") < 2 else key.rpartition("/")[0]
            self._waiting.setdefault(case, {})[key] = oid
            entry = next(self._entries, None)
        self._next = entry
        return [self._waiting.pop(case, {}) for case in cases]

    def rest(self) -> Iterator[str]:
        """The keys that were of no case."""
        for found in self._waiting.values():
            yield from found
        if self._next is not None:
            yield self._next[0]
        yield from (key for key, _ in self._entries)
