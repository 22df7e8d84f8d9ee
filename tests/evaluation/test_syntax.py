"""The canonical bytes of source: equal for equal programs, on every Python that themis supports."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from themis_vcs.evaluation import syntax

TRICKY = r'''
"""Spellings that versions of Python are known to take apart differently."""
x: int = 1_000 + 0x3e8
text = "a" 'b' u"c" f"d{x}" f"{x!r:>{x}}{x:}{x=}{ x = !s}" r"\x00" """long
text"""
nested = f"a{f'b{x:{x}}'}c{{}}" f"" "tail"
surrogate, data = "\ud800", rb"\x00" b"\x01"
big, small, whole, imaginary = 10**3, 1e-300, 1e300, 3j
empty = f""
deep = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]

async def f(a, /, b=1, *c, d, e=..., **g) -> "f":
    async with a as b, c as d:
        yield [i async for i in a if (y := i)]
    try:
        pass
    except* (ValueError, TypeError) as error:
        raise error from None
    match a:
        case {"k": [1, *rest], **more} | C(x=None) as whole:
            return lambda q, *, r=x: q @ r

@f
class C(dict, metaclass=type):
    def __init__(self): (self.x): int = 3; del self.x
'''

# It imports nothing but the standard library, so that a bare interpreter can run it.
SCRIPT = """
import ast, hashlib, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("syntax", sys.argv[1])
syntax = importlib.util.module_from_spec(spec)
sys.modules["syntax"] = syntax
spec.loader.exec_module(syntax)
answers = []
for text in json.load(sys.stdin):
    body = ast.parse(text).body
    chains = sorted(".".join(each.chain) for each in syntax.references(body))
    answers.append([hashlib.sha256(syntax.canonical(body)).hexdigest(), chains])
print(json.dumps(answers))
"""


def interpreters() -> list[str]:
    found = []
    for version in ("3.11", "3.12", "3.13", "3.14"):
        here = shutil.which(f"python{version}")
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        found += [str(each) for each in ([here] if here else []) + kept]
    return found


def test_every_python_agrees() -> None:
    package = Path(syntax.__file__).parents[1]
    texts = [TRICKY, *(path.read_text() for path in sorted(package.rglob("e*/*.py")))]
    own = []
    for text in texts:
        body = ast.parse(text).body
        chains = sorted(".".join(each.chain) for each in syntax.references(body))
        own.append([hashlib.sha256(syntax.canonical(body)).hexdigest(), chains])
    versions = set()
    for interpreter in interpreters():
        done = subprocess.run(
            [interpreter, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
        )
        if done.returncode == 0 and done.stdout not in versions:
            versions.add(done.stdout)
            done = subprocess.run(
                [interpreter, "-c", SCRIPT, syntax.__file__],
                input=json.dumps(texts),
                capture_output=True,
                text=True,
            )
            assert json.loads(done.stdout) == own, interpreter
    if not versions - {f"{sys.version_info[:2]}\n"}:
        pytest.skip("there is no other Python from 3.11 on here")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x=1", "x = 1  # one"),
        ("x = (1,)", "x = 1,"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("x = u'a'", "x = 'a'"),
        ("if a:\n  b", "if a:\n\n\tb"),
        ("x = f'{a}' 'b' f''", "x = f'{a}b'"),
        ("f(a,\n  b,\n)", "f(a, b)"),
        ("x = 1_0", "x = 0xA"),
    ],
)
def test_one_program_has_one_spelling(one: str, other: str) -> None:
    assert syntax.canonical(ast.parse(one).body) == syntax.canonical(ast.parse(other).body)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = 'None'"),
        ("x = ...", "x = 'Ellipsis'"),
        ("x = []", "x = ()"),
        ("x = a.b", "x = a.c"),
        ("f(a, b)", "f(b, a)"),
        ("f(a=b)", "f(b)"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("x = {**a}", "x = {None: a}"),
        ("a\nb", "b\na"),
        ("x = ['a', 'bc']", "x = ['ab', 'c']"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("x = a + b + c", "x = a + (b + c)"),
        ("import a.b", "import a, b"),
        ("x = f'{a!r}'", "x = f'{a!s}'"),
        ("global x", "nonlocal x"),
    ],
)
def test_another_program_has_another(one: str, other: str) -> None:
    assert syntax.canonical(ast.parse(one).body) != syntax.canonical(ast.parse(other).body)


def test_a_sum_of_thousands_of_terms_is_no_deeper_than_others() -> None:
    terms = ast.parse("x").body[0]
    assert isinstance(terms, ast.Expr)
    for _ in range(20_000):
        terms.value = ast.BinOp(terms.value, ast.Add(), ast.Name("x", ast.Load()))
    assert syntax.references([terms]) == {syntax.Reference(("x",))}
    assert len(syntax.canonical([terms])) > 20_000
