"""Names of refs (REF-1 to REF-5) and revisions (REV-1 to REV-5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.errors import UsageError
from themis_vcs.model import refname, revision
from themis_vcs.model.revision import Revision

GOOD = [
    "names/baseline",
    "names/baseline-2",
    "names/Team_A/x.y",
    "tags/v1.0",
    "runs/" + "0" * 64 + "/head",
    "remotes/origin/names/baseline",
    "names/" + "a" * 194,
    "names/console",
    "names/com10",
    "_/_",
]
BAD = [
    "",
    "names",
    "/names",
    "names/",
    "names//a",
    "names/a" + "/",
    "names/" + "a" * 195,
    "names/.a",
    "names/-a",
    "-names/a",
    "names/a..b",
    "names/a.",
    "names/a.lock",
    "names/a.lock/b",
    "names/é",
    "names/a b",
    "names/a\n",
    "names/a\0",
    "names/a~1",
    "names/a:b",
    "names/a@{1}",
    "names/a\\b",
    "names/..",
    "../names/a",
    "names/con",
    "names/NUL.txt",
    "aux/a",
    "names/Com1",
    "names/lpt9.a.b",
    "names/ａ",
]


@pytest.mark.parametrize("name", GOOD)
def test_good_name_is_returned(name: str) -> None:
    assert refname.check(name) == name


@pytest.mark.parametrize("name", BAD)
def test_bad_name_is_refused_with_a_reason(name: str) -> None:
    """REF-1, REF-2, REF-3, REF-4"""
    with pytest.raises(UsageError, match="cannot name a ref: ") as caught:
        refname.check(name)
    assert caught.value.hint


@given(st.text())
def test_an_accepted_name_is_harmless_text(name: str) -> None:
    try:
        refname.check(name)
    except UsageError:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set(" \\~^:?*[@{}\"$&;|<>()!#%`'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("baseline", Revision("baseline")),
        ("names/baseline", Revision("names/baseline")),
        ("0a1b2c3d", Revision("0a1b2c3d")),
        ("baseline@{1}", Revision("baseline", reflog=1)),
        ("baseline@{0}", Revision("baseline", reflog=0)),
        ("baseline~2", Revision("baseline", ancestors=2)),
        ("baseline~", Revision("baseline", ancestors=1)),
        ("baseline~0", Revision("baseline")),
        ("baseline@{3}~2", Revision("baseline", reflog=3, ancestors=2)),
        ("baseline:judge", Revision("baseline", stage="judge")),
        ("baseline:judge/gsm8k/case-17", Revision("baseline", stage="judge", case="gsm8k/case-17")),
        ("a~1:parse/d/c:1@{2}~é", Revision("a", ancestors=1, stage="parse", case="d/c:1@{2}~é")),
        ("a@{1}~2:score/d/a%2Fb/0", Revision("a", 1, 2, "score", "d/a%2Fb/0")),
    ],
)
def test_revision_is_taken_apart(text: str, expected: Revision) -> None:
    """REV-1, REV-2, REV-3, REV-4, REV-5"""
    assert revision.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "@{1}", "~1", ":judge", "a:", "a:judge/", "a:Judge", "a@{-1}", "a@{}", "a@1", "a~-1", "a~x"],
        *["a~1@{1}", "a b", "-a", ".a", "a^", "a~~", "a\n", "é", "a@{1}@{2}", "a@{9999999}"],
    ],
)
def test_what_is_no_revision_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a revision"):
        revision.parse(text)


@given(
    st.builds(
        Revision,
        base=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,20}", fullmatch=True),
        reflog=st.none() | st.integers(0, 999_999),
        ancestors=st.integers(0, 999_999),
        stage=st.sampled_from(["generate", "judge"]),
        case=st.none() | st.text(min_size=1),
    )
)
def test_revision_is_written_as_it_is_read(parsed: Revision) -> None:
    assert revision.parse(str(parsed)) == parsed
