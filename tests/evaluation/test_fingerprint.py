"""What changes a fingerprint and what does not, for code on disk that a process of its own imports."""

from __future__ import annotations

import ast
import io
import shutil
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fingerprinting import Fingerprinter, fingerprinter

METRIC = '''
"""A module."""

import functools

from lab import helpers
from lab.helpers import normalise as tidy

THRESHOLD = 0.5
WEIGHTS = {"exact": 1.0, "near": 0.25}


def scaled(factor=2):
    """Multiply what a function returns."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * factor

        return wrapper

    return decorate


class Base:
    """Compares."""

    def close(self, a, b):
        return abs(a - b) < THRESHOLD


class Metric(Base):
    """Scores an answer."""

    def __init__(self, weight=1, labels=("a", "b")):
        self.weight = weight
        self._labels = list(labels)

    @scaled(factor=3)
    def score(self, parsed, case, ctx):
        if self.close(len(tidy(parsed)), 3) and parsed not in self._labels:
            return WEIGHTS["exact"] + helpers.bonus(self.weight)
        return [f"{x!r:>{len(parsed)}}" for x in parsed if x != "q"] or -1


def unrelated(x):
    """Nobody calls this."""
    return x + 17
'''

HELPERS = """
import re

from . import deep

PATTERN = re.compile(r"[ ]+")


def normalise(text):
    return PATTERN.sub(" ", deep.strip(text))


def bonus(weight):
    return weight / 8


def unused(weight):
    return weight * 99
"""

DEEP = """
SUFFIX = "!"
OTHER = "?"


def strip(text):
    return text.removesuffix(SUFFIX)


def never(text):
    return text + OTHER
"""

LAB = {
    "lab/__init__.py": "",
    "lab/metric.py": METRIC,
    "lab/helpers.py": HELPERS,
    "lab/deep.py": DEEP,
}
COMPONENT, BEFORE = "lab.metric.Metric()", "import lab.metric"
REACHED = {
    *(
        "lab.metric:Metric",
        "lab.metric:Base",
        "lab.metric:THRESHOLD",
        "lab.metric:WEIGHTS",
        "lab.metric:scaled",
    ),
    *(
        "lab.helpers:normalise",
        "lab.helpers:bonus",
        "lab.helpers:PATTERN",
        "lab.deep:strip",
        "lab.deep:SUFFIX",
    ),
}


def edited(**replacements: tuple[str, str]) -> dict[str, str]:
    """The lab with one text replaced by another in some of its modules."""
    files = dict(LAB)
    for module, (old, new) in replacements.items():
        name = f"lab/{module}.py"
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    return files


@pytest.fixture(scope="module")
def original(fingerprint_of: Fingerprinter) -> str:
    return fingerprint_of(LAB, COMPONENT, before=BEFORE).fingerprint


def test_it_is_32_bytes(original: str) -> None:
    assert len(bytes.fromhex(original)) == 32


def test_exactly_what_the_component_uses_is_reached(fingerprint_of: Fingerprinter) -> None:
    assert fingerprint_of(LAB, COMPONENT, before=BEFORE).code() == REACHED


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(edited(metric=("< THRESHOLD", "< THRESHOLD  # close")), id="comment"),
        pytest.param(edited(metric=("        return abs", "        # why\n\n        return abs")), id="blank line"),
        pytest.param(edited(metric=("not in self._labels:", "not in (self._labels):")), id="parentheses"),
        pytest.param(edited(metric=('WEIGHTS["exact"]', "WEIGHTS['exact']")), id="quotes"),
        pytest.param(edited(helpers=("weight / 8", "weight / 0x8")), id="spelling of a number"),
        pytest.param(edited(metric=("return x + 17", "return x + 18")), id="unrelated function"),
        pytest.param(edited(helpers=("weight * 99", "weight * 98")), id="unrelated helper"),
        pytest.param(edited(deep=('OTHER = "?"', 'OTHER = ";"')), id="unrelated constant"),
        pytest.param(edited(metric=('"""A module."""', '"""Another one."""')), id="docstring of the module"),
        pytest.param(edited(metric=("import functools", "import functools\nimport json")), id="unused import"),
        pytest.param({**LAB, "lab/more.py": "X = 1\n"}, id="new module"),
    ],
)
def test_it_does_not_change(files: Mapping[str, str], fingerprint_of: Fingerprinter, original: str) -> None:
    assert fingerprint_of(files, COMPONENT, before=BEFORE).fingerprint == original


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(edited(metric=('"""Scores an answer."""', '"""Scores it."""')), id="docstring of the class"),
        pytest.param(edited(metric=("or -1", "or -2")), id="method"),
        pytest.param(edited(metric=("return abs(a - b)", "return (a - b)")), id="base class"),
        pytest.param(edited(metric=("THRESHOLD = 0.5", "THRESHOLD = 0.6")), id="constant"),
        pytest.param(edited(metric=('"near": 0.25', '"near": 0.26')), id="part of a constant"),
        pytest.param(edited(metric=("factor=3", "factor=4")), id="argument of a decorator"),
        pytest.param(edited(metric=("(*args) * factor", "(*args) ** factor")), id="decorator"),
        pytest.param(edited(metric=("weight=1,", "weight=2,")), id="default argument"),
        pytest.param(edited(helpers=("weight / 8", "weight / 9")), id="helper"),
        pytest.param(edited(helpers=('[ ]+"', '[ ]*"')), id="constant of a helper"),
        pytest.param(edited(deep=("removesuffix", "removeprefix")), id="helper of a helper"),
        pytest.param(edited(deep=('SUFFIX = "!"', 'SUFFIX = "?"')), id="constant of a helper of a helper"),
        pytest.param(edited(deep=('OTHER = "?"', 'OTHER = "?"\nSUFFIX = "."')), id="constant that is set once more"),
        pytest.param(
            edited(metric=("from lab.helpers import normalise", "from lab.deep import strip")),
            id="import of another function under the same name",
        ),
        pytest.param(
            edited(metric=("class Base:", 'WEIGHTS["near"] = 0.5\n\n\nclass Base:')),
            id="constant changed in place",
        ),
    ],
)
def test_it_changes_with_the_code(files: Mapping[str, str], fingerprint_of: Fingerprinter, original: str) -> None:
    assert fingerprint_of(files, COMPONENT, before=BEFORE).fingerprint != original


@pytest.mark.parametrize(
    "component",
    [
        "lab.metric.Metric(2)",
        "lab.metric.Metric(1.0)",
        "lab.metric.Metric(True)",
        "lab.metric.Metric(labels='ba')",
    ],
)
def test_it_changes_with_the_arguments(component: str, fingerprint_of: Fingerprinter, original: str) -> None:
    assert fingerprint_of(LAB, component, before=BEFORE).fingerprint != original


def test_equal_arguments_give_equal_fingerprints(fingerprint_of: Fingerprinter, original: str) -> None:
    assert fingerprint_of(LAB, "lab.metric.Metric(1, ['a', 'b'])", before=BEFORE).fingerprint == original


def test_it_does_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    files = {"m.py": "class M:\n    def __init__(self):\n        self.words = {'a', 'b', 'c', 'd', (1, 'e')}\n"}
    seen = set()
    for seed in ("1", "2", "3"):
        with fingerprinter(tmp_path / seed, seed) as ask:
            seen.add(ask(files, "m.M()", before="import m").fingerprint)
    assert len(seen) == 1


def test_it_does_not_depend_on_the_place_of_installation(
    tmp_path: Path, fingerprint_of: Fingerprinter, original: str
) -> None:
    moved = tmp_path / "some" / "where else"
    shutil.copytree(fingerprint_of.write(LAB), moved)
    assert fingerprint_of.at(moved, COMPONENT, before=BEFORE).fingerprint == original


def test_it_does_not_depend_on_what_else_is_imported(fingerprint_of: Fingerprinter, original: str) -> None:
    before = "import lab.deep, lab.helpers, json, decimal\nimport lab.metric\nlab.metric.Metric().close(1, 2)"
    assert fingerprint_of(LAB, COMPONENT, before=before).fingerprint == original


def test_no_module_is_imported_for_it(fingerprint_of: Fingerprinter) -> None:
    files = {
        "m.py": "class M:\n    def run(self):\n        import late\n        return late.go()\n",
        "late.py": "raise SystemExit('imported')\n\n\ndef go():\n    return 1\n",
    }
    assert fingerprint_of(files, "m.M()", before="import m").code() == {"m:M", "late:go"}


def test_all_constants_and_operators_count(fingerprint_of: Fingerprinter, original: str) -> None:
    """Every single change of the code that is reached, one at a time; and none of that which is not."""
    rewritten = {name: ast.unparse(ast.parse(text)) if text else "" for name, text in LAB.items()}
    assert fingerprint_of(rewritten, COMPONENT, before=BEFORE).fingerprint == original
    changed = unchanged = 0
    for name, text in LAB.items():
        for top, mutant in mutants(text):
            key = name.removesuffix(".py").replace("/", ".") + f":{top}"
            found = fingerprint_of({**LAB, name: mutant}, COMPONENT, before=BEFORE).fingerprint
            assert (found != original) == (key in REACHED), mutant
            changed, unchanged = changed + (found != original), unchanged + (found == original)
    assert changed > 30
    assert unchanged > 3


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """(name of the top-level definition, text) with one constant or operator changed."""
    for number, statement in enumerate(ast.parse(text).body):
        names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
        top = getattr(statement, "name", names[0] if names else "")
        for index, _ in enumerate(ast.walk(statement)):
            tree = ast.parse(text)
            node = list(ast.walk(tree.body[number]))[index]
            if changes(node):
                yield top, ast.unparse(tree)


def changes(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() | float()):
            node.value += 1
        case ast.Constant(value=str()):
            node.value = f"{node.value}x"
        case ast.BinOp():
            node.op = ast.FloorDiv()
        case ast.Compare():
            node.ops = [ast.Is() for _ in node.ops]
        case ast.BoolOp():
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        case _:
            return False
    return True


LINES = [number for number, _ in enumerate(METRIC.splitlines())]


def logical_lines(text: str) -> list[int]:
    """The lines, from 0, at which a statement begins."""
    found, fresh = [], True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.NL):
            fresh = True
        elif fresh and token.type not in (
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.COMMENT,
            tokenize.ENDMARKER,
        ):
            found.append(token.start[0] - 1)
            fresh = False
    return found


NOISE = st.lists(
    st.tuples(st.sampled_from(logical_lines(METRIC)), st.sampled_from(["", "# x", "        # deep", "\t", "\f"])),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    noise=NOISE,
    indent=st.sampled_from(["    ", " ", "\t", "       "]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_layout_and_comments_never_count(
    noise: list[tuple[int, str]], indent: str, newline: str, fingerprint_of: Fingerprinter, original: str
) -> None:
    lines = METRIC.splitlines()
    for line, text in sorted(noise, reverse=True):
        lines.insert(line, text)
    moved = [indent * ((len(each) - len(each.lstrip(" "))) // 4) + each.lstrip(" ") for each in lines]
    files = {**LAB, "lab/metric.py": newline.join(moved)}
    assert fingerprint_of(files, COMPONENT, before=BEFORE).fingerprint == original
