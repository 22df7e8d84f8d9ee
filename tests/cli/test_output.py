from __future__ import annotations

import io
import json

import pytest

from tests.support.commandline import HOSTILE
from themis_vcs.cli.jsontext import to_json
from themis_vcs.cli.output import LiveLine, Output, Styled, bold, columns, inline, safe


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def written(self) -> str:
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


class Pipe(Terminal):
    def isatty(self) -> bool:
        return False


def output(stream: Terminal, **environ: str) -> Output:
    return Output(stdout=stream, stderr=stream, environ={"TERM": "xterm", **environ})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ünïcode 日本", "plain — ünïcode 日本"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b", "\\x9b"),
        ("\u202e\u200b\ufeff", "\\u202e\\u200b\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("a\r\nb\tc", "a\\x0d\nb\tc"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_line_stays_one_line() -> None:
    assert inline("a\nb\tc") == "a\\nb\\tc"
    stream = Pipe()
    output(stream).line("case ", "a\nerror: not ours")
    assert stream.written == "case a\\nerror: not ours\n"


def test_no_line_of_a_block_begins_at_the_margin() -> None:
    stream = Pipe()
    output(stream).block(HOSTILE)
    assert all(line.startswith("    ") for line in stream.written.splitlines())
    assert not set(stream.written) & set("\x1b\x07\x9b\u202e")


def test_an_error_of_several_lines_shows_only_its_first_at_the_margin() -> None:
    stream = Pipe()
    output(stream).error("one\nhint: two", "three")
    assert stream.written == "error: one\n  hint: two\nhint: three\n"


@pytest.mark.parametrize("pretty", [True, False])
def test_json_is_exact_and_harmless(pretty: bool) -> None:
    text = to_json({"text": HOSTILE, "é": [1.5, None, True]}, pretty=pretty)
    assert json.loads(text) == {"text": HOSTILE, "é": [1.5, None, True]}
    assert all(each.isprintable() or each == "\n" for each in text)


def test_json_has_no_numbers_that_json_lacks() -> None:
    assert json.loads(to_json([float("nan"), float("inf"), b"\x00"])) == [None, None, "AA=="]


@pytest.mark.parametrize(
    ("stream", "environ", "color", "colored"),
    [
        (Terminal, {}, "auto", True),
        (Pipe, {}, "auto", False),
        (Terminal, {"NO_COLOR": "1"}, "auto", False),
        (Terminal, {"NO_COLOR": ""}, "auto", True),
        (Terminal, {"TERM": "dumb"}, "auto", False),
        (Pipe, {"FORCE_COLOR": "1"}, "auto", True),
        (Pipe, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        (Terminal, {"NO_COLOR": "1"}, "always", True),
        (Terminal, {"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_colours_follow_the_flag_the_environment_and_the_terminal(
    stream: type[Terminal], environ: dict[str, str], color: str, colored: bool
) -> None:
    written = stream()
    made = output(written, **environ)
    made.color = color  # type: ignore[assignment]
    made.line(bold("x"))
    assert ("\x1b[1mx\x1b[0m" in written.written) == colored


def test_text_inside_of_a_style_cannot_end_it() -> None:
    stream = Terminal()
    output(stream).line(Styled("\x1b[0m", "red"))
    assert stream.written == "\x1b[31m\\x1b[0m\x1b[0m\n"


def test_columns_line_up_and_nothing_trails() -> None:
    stream = Pipe()
    output(stream).table([["stage", "n", ""], ["generate", "5", ""], ["x", "1,000", "note"]], right=(1,))
    assert stream.written.splitlines() == ["stage         n", "generate      5", "x         1,000  note"]


def test_a_line_that_hangs_is_broken_at_spaces_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    parts = ("metrics ", Styled("one 0.5, two 0.25,", "bold"), " three 0.125, ", "x" * 45)
    pipe, terminal = Pipe(), Terminal()
    output(pipe).line(*parts, hang=8)
    output(terminal, NO_COLOR="1").line(*parts, hang=8)
    assert pipe.written == f"metrics one 0.5, two 0.25, three 0.125, {'x' * 45}\n"
    assert terminal.written == (f"metrics one 0.5, two 0.25, three 0.125,\n        {'x' * 32}\n        {'x' * 13}\n")


def test_a_style_goes_on_where_a_line_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    output(stream).line(Styled("a" * 39 + " b", "red"), hang=2)
    assert stream.written == f"\x1b[31m{'a' * 39}\x1b[0m\n  \x1b[31mb\x1b[0m\n"


def test_errors_and_hints_are_broken_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    pipe, terminal = Pipe(), Terminal()
    for stream in (pipe, terminal):
        said = Output(stderr=stream, environ={"NO_COLOR": "1"})  # type: ignore[arg-type]
        said.error("no column of the name that was given here", "there are " + "name, " * 8)
    assert len(pipe.written.splitlines()) == 2
    assert terminal.written == (
        "error: no column of the name that was\n"
        "       given here\n"
        "hint: there are name, name, name, name,\n"
        "      name, name, name, name, \n"
    )


@pytest.mark.parametrize(
    "text", ["", "  ", "word " * 30, "日本 " * 30, "x" * 200, "    " + "y" * 60, "two  spaces " * 9]
)
def test_a_block_fits_into_a_terminal_and_loses_only_spaces(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    pipe, terminal = Pipe(), Terminal()
    output(pipe).block(text)
    output(terminal).block(text)
    assert pipe.written == f"    {text}\n"
    assert all(columns(line) <= 40 for line in terminal.written.splitlines())
    assert terminal.written.split() == text.split() or " " not in text.strip()
    assert "".join(terminal.written.split()) == "".join(text.split())


def test_a_stream_that_cannot_encode_a_character_escapes_it() -> None:
    stream = Pipe("ascii")
    output(stream).line("é → x")
    assert stream.written == "\\xe9 \\u2192 x\n"


def test_json_is_utf_8_whatever_the_stream_is() -> None:
    stream = Pipe("ascii")
    output(stream).json_line({"a": "é"})
    assert json.loads(stream.written) == {"a": "é"}


@pytest.mark.parametrize(("stream", "environ"), [(Pipe, {}), (Terminal, {"TERM": "dumb"}), (Terminal, {"TERM": ""})])
def test_there_is_no_live_line_without_a_terminal(stream: type[Terminal], environ: dict[str, str]) -> None:
    assert output(stream(), **environ).live() is None


def test_the_live_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    live = output(stream).live()
    assert isinstance(live, LiveLine)
    live.show("日" * 500)
    assert stream.written == "\r\x1b[K" + "日" * 29 + "…"


def test_the_live_line_is_redrawn_ten_times_a_second_at_most() -> None:
    stream = Terminal()
    live = output(stream).live()
    assert live is not None
    for number in range(1_000):
        live.show_from(lambda _, number=number: str(number))  # type: ignore[misc]
    assert stream.written.count("\r") < 100
