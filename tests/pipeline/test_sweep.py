from __future__ import annotations

import pytest

from themis_vcs.errors import UsageError
from themis_vcs.model.refname import check
from themis_vcs.pipeline.sweep import combinations


def labels(*settings: str) -> list[str]:
    return [each.label for each in combinations(settings)]


def test_every_combination_is_there_once() -> None:
    found = combinations(["a.b=1,2", "c=x", "d=p,q"])
    assert [each.settings for each in found] == [
        ["a.b=1", "c=x", "d=p"],
        ["a.b=1", "c=x", "d=q"],
        ["a.b=2", "c=x", "d=p"],
        ["a.b=2", "c=x", "d=q"],
    ]
    assert [each.label for each in found] == ["1-p", "1-q", "2-p", "2-q"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", ["1", "2"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ('{ a = "x,y", b = [1,2] },{}', ['{ a = "x,y", b = [1,2] }', "{}"]),
        ('"a, b",c', ['"a, b"', "c"]),
        ("Isn't it?,It is", ["Isn't it?", "It is"]),
        ("@a.txt,@b.txt", ["@a.txt", "@b.txt"]),
        ("1,", ["1", ""]),
        ("a=b,c=d", ["a=b", "c=d"]),
    ],
)
def test_commas_that_separate_are_those_outside(text: str, values: list[str]) -> None:
    assert [each.settings for each in combinations([f"p={text}"])] == [[f"p={value}"] for value in values]


def test_lines_are_called_after_the_values() -> None:
    assert labels("r=@rubrics/a.txt,@b.v2.txt") == ["a", "b.v2"]
    assert labels("seeds=[1],[2]") == ["1", "2"]
    assert labels("t=0.5,-1") == ["0.5", labels("x=0.5,-1")[1]]


def test_any_value_gives_a_name_that_depends_on_it_alone() -> None:
    values = ["Is it polite?", "Is it polite!", "🦉", "", "../x", "a" * 300, "\x1b]31m", "x.lock.", "{ a = [1] }"]
    found = labels("p=" + ",".join(values))
    assert len(set(found)) == len(values)
    for label in found:
        check(f"names/main-{label}")
    assert labels("p=" + ",".join(reversed(values))) == found[::-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "several values"),
        (["a=1", "b='x,y'"], "several values"),
        (["a"], "expected PATH=VALUE"),
        (["a=1,1"], "would both be called 1"),
        (["a=@x/a.txt,@y/a.txt"], "would both be called a"),
        (["a=1,2,3,4,5,6,7,8,9,10"] * 3, "1,000 combinations"),
        (["a=" + "," * 100_000], "100,001 combinations"),
    ],
)
def test_what_is_no_sweep_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        combinations(settings)
