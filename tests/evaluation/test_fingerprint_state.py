"""How the configuration of a component enters its fingerprint."""

from __future__ import annotations

import pytest

from tests.support.fingerprinting import Fingerprinter

OBJECTS = """
    import dataclasses, enum, functools, re, threading
    from collections import Counter, OrderedDict, namedtuple, deque
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    import msgspec


    class Box:
        def __init__(self, **attributes):
            self.__dict__.update(attributes)


    class Slotted:
        __slots__ = ("a", "__b")

        def __init__(self, a, b=0):
            self.a, self.__b = a, b


    class Ignoring(Box):
        fingerprint_ignore = ("calls", "lock")

        @functools.cached_property
        def lazy(self):
            return len(vars(self))


    @dataclasses.dataclass(frozen=True)
    class Data:
        a: int = 1
        b: tuple = ()


    class Record(msgspec.Struct):
        a: int = 1
        b: dict = {}


    class Colour(enum.Enum):
        RED = 1
        BLUE = 2


    class Words(list):
        pass


    class Declared:
        def __init__(self, text):
            self.text, self.lock = text, threading.Lock()

        def fingerprint(self):
            return self.text


    Pair = namedtuple("Pair", "a b")


    def plus(a, b=1):
        return a + b


    def twice(a):
        return a * 2


    def adder(n, m=0):
        def add(x):
            return plus(x, n)

        return add


    def factory(n, base=Box):
        class Inner(base):
            size = n + 1

            def run(self):
                return n

        return Inner


    def closing(n):
        class Inner:
            def run(self):
                return n

        return Inner


    def versioned(version):
        declared = Declared("x")
        declared.version = version
        return declared


    def looping(value):
        box = Box()
        box.me = [box, value]
        return box


    class Adds:
        def __init__(self, n):
            self.n = n

        def run(self, x):
            return x + self.n


    FIRST, SECOND = (lambda x: x + 1), (lambda x: x + 2)
"""


def pairs(*expressions: str) -> list[object]:
    return [pytest.param(*each.split(" | "), id=each) for each in expressions]


@pytest.mark.parametrize(
    ("one", "other"),
    pairs(
        "Box(a=1) | Box(a=2)",
        "Box(a=1) | Box(b=1)",
        "Box(a=1) | Box(a=1, b=None)",
        "Box(_a=1) | Box(_a=2)",
        "Box(a=1) | Box(a=1.0)",
        "Box(a=1) | Box(a=True)",
        "Box(a='1') | Box(a=b'1')",
        "Box(a=None) | Box(a=False)",
        "Box(a=[1, 2]) | Box(a=[2, 1])",
        "Box(a=[1]) | Box(a=(1,))",
        "Box(a={1, 2}) | Box(a={1, 3})",
        "Box(a={'x': 1, 'y': 2}) | Box(a={'y': 2, 'x': 1})",
        "Box(a={1: 'x'}) | Box(a={'1': 'x'})",
        "Box(a=2**70) | Box(a=2**70 + 1)",
        "Box(a=10**5000) | Box(a=10**5000 + 1)",
        "Box(a=float('inf')) | Box(a=float('-inf'))",
        "Box(a=Decimal('1.0')) | Box(a=Decimal('1.00'))",
        "Box(a=date(2020, 1, 1)) | Box(a='2020-01-01')",
        "Box(a=Path('/a')) | Box(a=Path('/b'))",
        "Box(a=re.compile('a')) | Box(a=re.compile('a', re.I))",
        "Box(a=Colour.RED) | Box(a=Colour.BLUE)",
        "Box(a=Box) | Box(a=Data)",
        "Box(a=len) | Box(a=max)",
        "Box(a='x'.join) | Box(a='y'.join)",
        "Box(a=plus) | Box(a=twice)",
        "Box(a=FIRST) | Box(a=SECOND)",
        "Box(a=adder(1)) | Box(a=adder(2))",
        "Box(a=functools.partial(plus, 1)) | Box(a=functools.partial(plus, 2))",
        "Box(a=functools.partial(plus, b=1)) | Box(a=functools.partial(plus, b=2))",
        "Box(a=Adds(1).run) | Box(a=Adds(2).run)",
        "Box(a=Box(b=Box(c=1))) | Box(a=Box(b=Box(c=2)))",
        "Box(a=Data(1)) | Box(a=Data(2))",
        "Box(a=Record(1)) | Box(a=Record(2))",
        "Box(a=Slotted(1)) | Box(a=Slotted(2))",
        "Box(a=Slotted(1, 2)) | Box(a=Slotted(1, 3))",
        "Box(a=Words('ab')) | Box(a=Words('ba'))",
        "Box(a=Words('ab')) | Box(a=['a', 'b'])",
        "Box(a=Pair(1, 2)) | Box(a=Pair(2, 1))",
        "Box(a=Counter('aab')) | Box(a=Counter('abb'))",
        "Box(a=deque([1], 3)) | Box(a=deque([1], 4))",
        "Box(a=Declared('x')) | Box(a=Declared('y'))",
        "looping(1) | looping(2)",
        "Declared('x') | Declared('y')",
        "adder(1) | adder(2)",
        "Adds(1).run | Adds(2).run",
        "functools.partial(plus, 1) | functools.partial(plus, 2)",
        "FIRST | SECOND",
        "factory(1)() | factory(2)()",
        "factory(1)() | factory(1, Ignoring)()",
        "closing(1)() | closing(2)()",
        "versioned('1') | versioned('2')",
        "Slotted(1) | Slotted(2)",
        "Record(1) | Record(1, {'a': 1})",
        "type('T', (Box,), {'a': 1})() | type('T', (Box,), {'a': 2})()",
        "type('T', (Box,), {'f': plus})() | type('T', (Box,), {'f': twice})()",
        "Box(component_id='x/a') | Box(component_id='x/b')",
        "Box(version='1') | Box(version='2')",
    ),
)
def test_different_configurations_differ(one: str, other: str, fingerprint_of: Fingerprinter) -> None:
    found = [
        fingerprint_of({"m.py": OBJECTS}, each, before="from m import *\nfrom m import Path, re").fingerprint
        for each in (one, one, other)
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("one", "other"),
    pairs(
        "Ignoring(calls=1) | Ignoring(calls=2)",
        "Ignoring(lock=threading.Lock()) | Ignoring()",
        "Ignoring(a=1, lazy=5) | Ignoring(a=1)",
        "Box(api_key='one') | Box(api_key='two')",
        "Box(headers={'Authorization': 'one'}) | Box(headers={'Authorization': 'two'})",
        "Box(key='sk-proj-aB3dE5gH7jK9mN1p') | Box(key='sk-proj-zY8xW6vU4tS2rQ0p')",
        "Box(b=1, a=2) | Box(a=2, b=1)",
        "Adds(1) | Adds(n=1)",
    ),
)
def test_what_does_not_matter_does_not_count(one: str, other: str, fingerprint_of: Fingerprinter) -> None:
    before = "from m import *\nimport threading"
    found = [fingerprint_of({"m.py": OBJECTS}, each, before=before).fingerprint for each in (one, other)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("component", "place", "ignore"),
    [
        ("Box(client=threading.Lock())", "self.client is a _thread.lock", '("client",)'),
        ("Box(a=Box(b=[1, threading.Lock()]))", "self.a.b[1] is a _thread.lock", '("a",)'),
        ("Box(file=open('/dev/null'))", "self.file is a _io.TextIOWrapper", '("file",)'),
        ("Box(rng=random.Random(7))", "self.rng is a random.Random", '("rng",)'),
        ("Box(rows=iter([1]))", "self.rows is a builtins.list_iterator", '("rows",)'),
        ("Box(rows=(x for x in []))", "self.rows is a builtins.generator", '("rows",)'),
        ("Box(pool=asyncio.Semaphore(3))", "self.pool is a asyncio.locks.Semaphore", '("pool",)'),
        ("adder(threading.Lock())", "self, which closes over n is a _thread.lock", None),
    ],
)
def test_what_has_no_content_is_refused_with_its_place(
    component: str, place: str, ignore: str | None, fingerprint_of: Fingerprinter
) -> None:
    before = "from m import *\nimport asyncio, random, threading"
    answer = fingerprint_of({"m.py": OBJECTS}, component, before=before)
    assert place in (answer.error or "")
    assert "`fingerprint()`" in (answer.hint or "")
    assert (f"fingerprint_ignore = {ignore}" in (answer.hint or "")) == (ignore is not None)


def test_a_declared_fingerprint_stands_for_the_code(fingerprint_of: Fingerprinter) -> None:
    one = fingerprint_of({"m.py": OBJECTS}, "Declared('x')", before="from m import *")
    edited = OBJECTS.replace("return self.text", "return str(self.text)")
    assert fingerprint_of({"m.py": edited}, "Declared('x')", before="from m import *").fingerprint == one.fingerprint


def test_a_declared_fingerprint_is_text_or_bytes(fingerprint_of: Fingerprinter) -> None:
    answer = fingerprint_of({"m.py": OBJECTS}, "Declared(3)", before="from m import *")
    assert answer.error == "m:Declared: fingerprint() returned a int"


def test_the_same_declared_fingerprint_of_two_components_differs(fingerprint_of: Fingerprinter) -> None:
    code = OBJECTS + "\n\n    class Other(Declared):\n        pass\n"
    found = [fingerprint_of({"m.py": code}, each, before="from m import *") for each in ("Declared('x')", "Other('x')")]
    assert found[0].fingerprint != found[1].fingerprint


def test_a_method_put_into_a_class_counts(fingerprint_of: Fingerprinter) -> None:
    before = "from m import *\nimport m\n"
    plain = fingerprint_of({"m.py": OBJECTS}, "Adds(1)", before=before)
    patched = fingerprint_of({"m.py": OBJECTS}, "Adds(1)", before=before + "Adds.run = m.twice")
    added = fingerprint_of({"m.py": OBJECTS}, "Adds(1)", before=before + "Adds.more = m.twice")
    assert len({plain.fingerprint, patched.fingerprint, added.fingerprint}) == 3


def test_a_counter_of_a_class_does_not_count(fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": "class C:\n    calls = 0\n    def run(self):\n        C.calls += 1\n"}
    fresh = fingerprint_of(files, "m.C()", before="import m")
    assert fingerprint_of(files, "m.C()", before="import m\nm.C().run()").fingerprint == fresh.fingerprint


def test_an_object_of_an_installed_class_counts_by_state_and_version(fingerprint_of: Fingerprinter) -> None:
    def answer(version: str, size: int) -> str:
        files = {
            "m.py": "class C:\n    def __init__(self, part): self.part = part\n",
            "site-packages/acme.py": "class Part:\n    def __init__(self, n): self.n = n\n",
            f"site-packages/acme-{version}.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme\n"
            f"Version: {version}\n",
        }
        before = "import sys; sys.path.append(ROOT + '/site-packages'); import m, acme"
        return fingerprint_of(files, f"m.C(acme.Part({size}))", before=before).fingerprint

    assert answer("1.0", 1) == answer("1.0", 1)
    assert len({answer("1.0", 1), answer("1.0", 2), answer("1.1", 1)}) == 3


BUILT_ON_THEMIS = """
    from themis_vcs.evaluation.prompt import PromptSpec
    from themis_vcs.evaluation.decorators import parser

    class Gen:
        def __init__(self, template): self.prompt = PromptSpec(template=template)

    K = 1

    @parser
    def digits(candidate):
        return candidate.final_output + K
"""


def test_structs_of_themis_count_by_their_fields(fingerprint_of: Fingerprinter) -> None:
    one, two = (fingerprint_of({"m.py": BUILT_ON_THEMIS}, f"m.Gen({each!r})", before="import m") for each in "ab")
    assert one.fingerprint != two.fingerprint
    assert one.code() == {"m:Gen"}


DERIVED = """
    from themis_vcs.catalog.generators import DemoGenerator

    K = 1

    class Mine(DemoGenerator, frozen=True):
        async def generate(self, case, ctx):
            return K

    class Holder:
        def __init__(self, part):
            self.part = part
"""


@pytest.mark.parametrize("component", ["m.Mine(name='a')", "m.Holder(m.Mine(name='a'))"])
def test_what_is_derived_from_a_component_of_themis_counts_too(component: str, fingerprint_of: Fingerprinter) -> None:
    edited = DERIVED.replace("K = 1", "K = 2")
    one, code, option = (
        fingerprint_of({"m.py": text}, each, before="import m")
        for text, each in ((DERIVED, component), (edited, component), (DERIVED, component.replace("'a'", "'b'")))
    )
    assert one.code() >= {"m:Mine", "m:K"}
    assert len({one.fingerprint, code.fingerprint, option.fingerprint}) == 3


def test_a_component_of_themis_counts_by_its_options(fingerprint_of: Fingerprinter) -> None:
    one, other = (
        fingerprint_of({"m.py": DERIVED}, f"m.DemoGenerator({each})", before="import m") for each in ("", "name='x'")
    )
    assert one.code() == set()
    assert one.fingerprint != other.fingerprint


def test_a_decorated_function_counts_by_what_it_reaches(fingerprint_of: Fingerprinter) -> None:
    edits = (
        ("K = 1", "K = 1"),
        ("K = 1", "K = 2"),
        ("K = 1", "K = 1  # one"),
        ("@parser", "@parser(version='2')"),
    )
    one, constant, comment, version = (
        fingerprint_of({"m.py": BUILT_ON_THEMIS.replace(*edit)}, "m.digits", before="import m") for edit in edits
    )
    assert one.code() == {"m:digits", "m:K"}
    assert one.fingerprint == comment.fingerprint
    assert len({one.fingerprint, constant.fingerprint, version.fingerprint}) == 3
