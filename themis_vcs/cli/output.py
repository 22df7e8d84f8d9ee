"""The only module that writes to stdout and stderr: text made harmless, colours, tables, JSON, the live line.

Whatever is printed may have been written by a model, a dataset or a component. Every character that is not printable is
escaped, save newlines and tabs in a block of text; colours are added afterwards, and only here.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, Literal, NamedTuple, TextIO

from themis_vcs.cli.jsontext import to_json

Color = Literal["auto", "always", "never"]

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CLEAR: Final = "\r\x1b[K"
_REFRESH: Final = 0.1


class Styled(NamedTuple):
    """Text in a style: "bold", "dim", "red", "green", "yellow" or "cyan"."""

    text: str
    style: str


Part = str | Styled


def bold(text: object) -> Styled:
    """Text that stands out."""
    return Styled(str(text), "bold")


def dim(text: object) -> Styled:
    """Text that steps back."""
    return Styled(str(text), "dim")


def colored(text: object, color: str) -> Styled:
    """Text in a colour."""
    return Styled(str(text), color)


def safe(text: str) -> str:
    """The text with every character escaped that is not printable, save newlines and tabs."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in text)


def inline(text: str) -> str:
    """As `safe`, in one line: newlines and tabs are escaped too."""
    return safe(text).replace("\n", "\\n").replace("\t", "\\t")


def columns(text: str) -> int:
    """How many columns of a terminal a line takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def clip(text: str, width: int) -> str:
    """The text in one line of at most `width` columns, but of no less than twelve; a cut is marked with "…"."""
    text, width = inline(text), max(width, 12)
    if columns(text) <= width:
        return text
    kept = text[: width - 1]
    while columns(kept) >= width:
        kept = kept[:-1]
    return kept + "…"


def clip_middle(text: str, width: int) -> str:
    """As `clip`, with what falls away taken from the middle: names often differ in their ends only."""
    text, width = inline(text), max(width, 12)
    if columns(text) <= width:
        return text
    head = clip(text, width // 2)
    end = 0
    while columns(head) + columns(text[-end - 1 :]) <= width:
        end += 1
    return head + text[len(text) - end :]


def fitted(rows: Sequence[Sequence[str]], width: int, names: Collection[int] = ()) -> list[list[Part]]:
    """The rows of a table clipped to fit into `width` columns: the widest of them, all to one width.

    The columns `names` lose the middle of a cell, all others its end.
    """
    widths = [max(columns(inline(cell)) for cell in column) for column in zip(*rows, strict=True)]
    room, widest = width - 2 * (len(widths) - 1), max(widths)
    while widest > 12 and sum(min(each, widest) for each in widths) > room:
        widest -= 1
    return [[(clip_middle if at in names else clip)(cell, widest) for at, cell in enumerate(row)] for row in rows]


def fold(text: str, width: int, hang: int = 0) -> Iterator[tuple[int, int]]:
    """Where a line is broken: the ends of pieces of at most `width` columns, all but the first shorter by `hang`.

    It is broken at spaces, which fall away, and inside of what is longer than a piece.
    """
    start, room = 0, max(width, 12)
    while (stop := _fitting(text, start, room)) < len(text):
        space = text.rfind(" ", start, stop + 1)
        if text[start : max(space, start)].strip(" "):
            yield start, space
            start = space + 1
        else:
            yield start, stop
            start = stop
        room = max(width - hang, 12)
    if start < len(text) or not text:
        yield start, len(text)


def _fitting(text: str, start: int, room: int) -> int:
    """Where the part of a text ends that begins at `start` and takes at most `room` columns."""
    for at in range(start, len(text)):
        room -= columns(text[at])
        if room < 0:
            return at
    return len(text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Output:
    """Where a command's results and messages go. stdout carries data; stderr messages and progress."""

    def __init__(
        self,
        color: Color = "auto",
        *,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._stdout, self._stderr, self._environ = stdout, stderr, environ
        self.color: Color = color

    @property
    def stdout(self) -> TextIO:
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        return self._stderr or sys.stderr

    @property
    def width(self) -> int:
        """Columns to fit into."""
        import shutil

        return max(40, shutil.get_terminal_size((80, 24)).columns)

    def line(self, *parts: Part, hang: int | None = None) -> None:
        """One line of data; newlines and tabs in it are escaped.

        With `hang` it is broken on a terminal to fit into it, and what follows is indented by that much.
        """
        self._lines(self.stdout, parts, hang)

    def block(self, text: str, indent: str = "    ") -> None:
        """Text of several lines, indented as a whole so that none of its lines can pass for one of ours.

        On a terminal long lines are broken to fit into it.
        """
        lines: Iterable[str] = safe(text).split("\n")
        if self.stdout.isatty():
            room = self.width - len(indent)
            lines = [line[start:stop] for line in lines for start, stop in fold(line, room)]
        self._write(self.stdout, "".join(f"{indent}{line}\n" for line in lines))

    def table(self, rows: Sequence[Sequence[Part]], right: Iterable[int] = (), indent: str = "") -> None:
        """Rows in columns two spaces apart; the columns in `right` are flushed right. The first row is the heading."""
        flushed = frozenset(right)
        widths = [max(columns(inline(_text(cell))) for cell in column) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            line: list[Part] = [indent]
            gap = ""
            for at, cell in enumerate(row):
                text = inline(_text(cell))
                style = cell.style if isinstance(cell, Styled) else ("dim" if number == 0 else None)
                padding = " " * (widths[at] - columns(text))
                before, after = (padding, "") if at in flushed else ("", padding)
                if text:
                    line.extend((gap + before, Styled(text, style) if style else text))
                    gap = after + "  "
                else:
                    gap += padding + "  "
            self.line(*line)

    def json(self, document: Any) -> None:
        """One JSON document."""
        self._write_utf8(to_json(document) + "\n")

    def json_line(self, document: Any) -> None:
        """One line of JSON Lines."""
        self._write_utf8(to_json(document, pretty=False) + "\n")

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self.stdout.flush()
        _binary(self.stdout).write(data)

    def note(self, *parts: Part, hang: int | None = None) -> None:
        """A message beside the data; with `hang` it is broken as a `line` is."""
        self._lines(self.stderr, parts, hang)

    def error(self, message: str, hint: str | None = None) -> None:
        """What went wrong, and what to do about it. The lines after the first are indented."""
        first, *others = message.split("\n")
        self.note(colored("error:", "red"), " ", first, hang=7)
        for line in others:
            self.note("  ", line.removeprefix("  "), hang=4)
        if hint:
            self.hint(hint)

    def hint(self, text: str) -> None:
        """What to do about what was said before."""
        self.note(colored("hint:", "cyan"), " ", text, hang=6)

    def error_document(self, document: dict[str, Any]) -> None:
        """What went wrong, as one line of JSON."""
        plain = {key: safe(value) if isinstance(value, str) else value for key, value in document.items()}
        self._write(self.stderr, to_json(plain, pretty=False) + "\n")

    def live(self) -> LiveLine | None:
        """A line on stderr that is written again and again; None unless stderr is a terminal that can do that."""
        dumb = self._environ.get("TERM", "") in ("", "dumb")
        return None if dumb or not self.stderr.isatty() else LiveLine(self)

    def flush(self) -> None:
        """Hand everything over, so that a closed pipe is noticed here and not at exit."""
        self.stdout.flush()
        self.stderr.flush()

    def _lines(self, stream: TextIO, parts: Sequence[Part], hang: int | None) -> None:
        broken = [parts] if hang is None or not stream.isatty() else _broken(parts, self.width, hang)
        for each in broken:
            self._write(stream, self._rendered(each, stream) + "\n")

    def _rendered(self, parts: Iterable[Part], stream: TextIO) -> str:
        colors = self._colored(stream)
        return "".join(
            f"\x1b[{_CODES[part.style]}m{inline(part.text)}\x1b[0m"
            if isinstance(part, Styled) and colors and part.text
            else inline(_text(part))
            for part in parts
        )

    def _colored(self, stream: TextIO) -> bool:
        if self.color != "auto":
            return self.color == "always"
        if self._environ.get("NO_COLOR"):
            return False
        if self._environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self._environ.get("TERM", "") not in ("", "dumb")

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def _write_utf8(self, text: str) -> None:
        if (self.stdout.encoding or "").lower().replace("-", "") == "utf8":
            self.stdout.write(text)
        else:
            self.raw(text.encode())


class LiveLine:
    """One line that shows how far something has come. It never wraps, and leaves nothing behind."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._drawn = 0.0

    def show(self, text: str) -> None:
        """Replace the line."""
        self._drawn = time.monotonic()
        stream = self._output.stderr
        stream.write(_CLEAR + clip(text, self._output.width - 1))
        stream.flush()

    def show_from(self, text: Callable[[float], str]) -> None:
        """Replace the line by what `text` makes of the present moment, unless it was replaced a moment ago."""
        moment = time.monotonic()
        if moment - self._drawn >= _REFRESH:
            self.show(text(moment))

    def clear(self) -> None:
        """Take the line away."""
        self._output.stderr.write(_CLEAR)
        self._output.stderr.flush()


def _broken(parts: Sequence[Part], width: int, hang: int) -> Iterator[list[Part]]:
    """A line in pieces that fit into `width` columns, each part of it in its style."""
    texts = [inline(_text(part)) for part in parts]
    for number, (start, stop) in enumerate(fold("".join(texts), width, hang)):
        piece: list[Part] = [" " * hang] if number else []
        at = 0
        for part, text in zip(parts, texts, strict=True):
            cut = text[max(start - at, 0) : max(stop - at, 0)]
            piece.append(Styled(cut, part.style) if isinstance(part, Styled) else cut)
            at += len(text)
        yield piece


def _text(part: Part) -> str:
    return part.text if isinstance(part, Styled) else part


def _binary(stream: TextIO) -> BinaryIO:
    return stream.buffer
