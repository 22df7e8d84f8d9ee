"""Which code a component is found to use, however it names it."""

from __future__ import annotations

import pytest

from tests.support.fingerprinting import Fingerprinter

TOOLS = "def clean(x):\n    return x\n\n\ndef other(x):\n    return x\n\n\nLIMIT = 3\n"


@pytest.mark.parametrize(
    ("files", "reached"),
    [
        pytest.param(
            {"m.py": "import tools\ndef f(x): return tools.clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="attribute of a module",
        ),
        pytest.param(
            {"m.py": "import tools as t\ndef f(x): return t.clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="alias of a module",
        ),
        pytest.param(
            {"m.py": "from tools import clean as c\ndef f(x): return c(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="alias of a function",
        ),
        pytest.param(
            {"m.py": "import p.tools\ndef f(x): return p.tools.clean(x)\n", "p/__init__.py": "", "p/tools.py": TOOLS},
            {"p.tools:clean"},
            id="chain through a package",
        ),
        pytest.param(
            {"m.py": "import p.tools\ndef f(x): return p.tools.clean(x)\n", "p/tools.py": TOOLS},
            {"p.tools:clean"},
            id="package without __init__",
        ),
        pytest.param(
            {
                "m.py": "from p import clean\ndef f(x): return clean(x)\n",
                "p/__init__.py": "from .q.tools import clean, other\n",
                "p/q/__init__.py": "",
                "p/q/tools.py": "from ..q.more import K\ndef clean(x): return x + K\n"
                "def other(): pass\n",
                "p/q/more.py": "K = 1\n",
            },
            {"p.q.tools:clean", "p.q.more:K"},
            id="re-export and relative imports",
        ),
        pytest.param(
            {"m.py": "from tools import *\ndef f(x): return clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="star import",
        ),
        pytest.param(
            {"m.py": "def f(x):\n    from tools import clean\n    return clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="import in a function",
        ),
        pytest.param(
            {"m.py": "def f(x):\n    import tools\n    return tools.clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="import of a module in a function",
        ),
        pytest.param(
            {
                "m.py": "def f(x):\n    import p.tools\n    return p.tools.clean(x)\n",
                "p/__init__.py": "",
                "p/tools.py": TOOLS,
            },
            {"p.tools:clean"},
            id="import of a submodule in a function",
        ),
        pytest.param(
            {"m.py": "import tools\ndef f(x, n): return getattr(tools, n)(x)\n", "tools.py": TOOLS},
            {"tools:*"},
            id="module as a value",
        ),
        pytest.param(
            {"m.py": "import importlib\n"
             "def f(x): return importlib.import_module('tools')\n", "tools.py": TOOLS},
            {"tools:*"},
            id="import_module of a literal",
        ),
        pytest.param(
            {"m.py": "def f(x): return globals()['g'](x)\ndef g(x): return x\n"}, {"m:*"}, id="globals"
        ),
        pytest.param(
            {"m.py": "import tools\nclass C:\n    a = tools.LIMIT\ndef f(x): return C.a\n", "tools.py": TOOLS},
            {"m:C", "tools:LIMIT"},
            id="attribute of a class",
        ),
        pytest.param(
            {"m.py": "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return even(n - 1)\n"
             "def f(x): return odd(x)\n"},
            {"m:even", "m:odd"},
            id="functions that call each other",
        ),
        pytest.param(
            {"m.py": "import b\nX = 1\ndef f(x): return b.g(x)\n", "b.py": "import m\ndef g(x): return m.X\n"},
            {"b:g", "m:X"},
            id="modules that import each other",
        ),
        pytest.param(
            {"m.py": "if True:\n    def g(x): return 1\nelse:\n    def g(x): return 2\ndef f(x): return g(x)\n"},
            {"m:g"},
            id="definition under an if",
        ),
        pytest.param(
            {"m.py": "try:\n    import nowhere as t\nexcept ImportError:\n    import tools as t\n"
             "def f(x): return t.clean(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="import with a substitute",
        ),
        pytest.param(
            {"m.py": "import tools\ndef f(x, g=tools.clean): return g(x)\n", "tools.py": TOOLS},
            {"tools:clean"},
            id="default argument",
        ),
        pytest.param(
            {"m.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tools import T\n"
             "def f(x: 'T') -> 'T': return x\n", "tools.py": "T = int\n"},
            set(),
            id="annotation in quotes",
        ),
    ],
)  # fmt: skip
def test_names_are_followed(files: dict[str, str], reached: set[str], fingerprint_of: Fingerprinter) -> None:
    assert fingerprint_of(files, "m.f", before="import m").code() == {"m:f", *reached}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("clean = str\n    return clean(x)", id="variable"),
        pytest.param("return [clean for clean in x]", id="comprehension"),
        pytest.param("return (lambda clean: clean)(x)", id="lambda"),
        pytest.param("for clean in x:\n        return clean", id="loop"),
        pytest.param("try:\n        return x\n    except OSError as clean:\n        return clean", id="exception"),
        pytest.param("with x as clean:\n        return clean", id="with"),
        pytest.param("if clean := x:\n        return clean", id="named expression"),
        pytest.param("match x:\n        case [*clean]:\n            return clean", id="pattern"),
        pytest.param("def clean(): return 1\n    return clean()", id="inner function"),
        pytest.param("return x.clean", id="attribute"),
    ],
)
def test_a_local_name_is_not_that_of_the_module(body: str, fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": f"def clean(x): return x\ndef f(x):\n    {body}\n"}
    assert fingerprint_of(files, "m.f", before="import m").code() == {"m:f"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("return [y for y in clean(x)]", id="first iterable of a comprehension"),
        pytest.param("return [clean for clean in clean(x)]", id="comprehension that hides the name"),
        pytest.param("return lambda y: clean(y)", id="lambda"),
        pytest.param("def g(y=clean): return y\n    return g", id="default of an inner function"),
        pytest.param("class C:\n        def clean(self): return clean(x)\n    return C", id="method of that name"),
        pytest.param("return f'{clean(x):{x}}'", id="formatted text"),
        pytest.param("global clean\n    return clean(x)", id="global"),
    ],
)
def test_a_name_of_the_module_is_followed(body: str, fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": f"def clean(x): return x\ndef f(x):\n    {body}\n"}
    assert fingerprint_of(files, "m.f", before="import m").code() == {"m:f", "m:clean"}


def test_what_a_computed_constant_has_become_counts(fingerprint_of: Fingerprinter) -> None:
    code = """
        from pathlib import Path
        PROMPT = Path(__file__).with_name("prompt.txt").read_text()
        def f(x): return PROMPT + x
    """
    found = [
        fingerprint_of({"m.py": code, "prompt.txt": text}, "m.f", before="import m").fingerprint
        for text in ("Rate it.", "Rate it.", "Judge it.")
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("change", ["m.LIMIT = 4", "m.clean = m.other"])
def test_what_was_replaced_in_a_loaded_module_counts(change: str, fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": TOOLS + "def f(x): return clean(x) < LIMIT\n"}
    plain = fingerprint_of(files, "m.f", before="import m")
    assert fingerprint_of(files, "m.f", before=f"import m\n{change}").fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("state", "use"),
    [
        ("COUNT = 0", "global COUNT\n    COUNT += 1\n    x = COUNT"),
        ("", "global COUNT\n    COUNT = x\n    x = COUNT"),
        ("SEEN = []", "SEEN.append(x)"),
        ("CACHE = {}", "CACHE[x] = 1"),
        ("CACHE = dict()", "CACHE[x] = 1"),
        ("SEEN = __import__('collections').Counter()", "SEEN[x] += 1"),
    ],
)
def test_a_counter_or_cache_of_a_module_does_not_count(state: str, use: str, fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": f"{state}\n\n\ndef f(x):\n    {use}\n    return x\n"}
    fresh = fingerprint_of(files, "m.f", before="import m")
    used = fingerprint_of(files, "m.f", before="import m\nm.f(1)\nm.f(2)")
    assert used.fingerprint == fresh.fingerprint


def test_exchanged_names_count(fingerprint_of: Fingerprinter) -> None:
    code = "from tools import {} as a, {} as b\ndef f(x): return a(b(x))\n"
    one, two = (
        fingerprint_of({"m.py": code.format(*names), "tools.py": TOOLS}, "m.f", before="import m")
        for names in (("clean", "other"), ("other", "clean"))
    )
    assert one.code() == two.code()
    assert one.fingerprint != two.fingerprint


def test_a_key_from_the_environment_does_not_count(fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": "import os\nAPI_KEY = os.environ.get('X_KEY')\ndef f(x): return API_KEY\n"}
    one, two = (
        fingerprint_of(files, "m.f", before=f"import os; os.environ['X_KEY'] = {key!r}; import m").fingerprint
        for key in ("one", "two")
    )
    assert one == two


def test_a_module_imported_in_a_function_counts_the_same_before_and_after(
    fingerprint_of: Fingerprinter,
) -> None:
    files = {
        "m.py": "def f(x):\n    from late import K\n    return K\n",
        "late.py": "import os\nK = os.sep * 3\n",
    }
    fresh = fingerprint_of(files, "m.f", before="import m")
    assert fingerprint_of(files, "m.f", before="import m\nm.f(1)").fingerprint == fresh.fingerprint


def installed(version: str, text: str) -> dict[str, str]:
    return {
        "m.py": "from acme.deep import go\ndef f(x): return go(x)\n",
        "site-packages/acme/__init__.py": "",
        "site-packages/acme/deep.py": text,
        f"site-packages/acme_tools-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: acme-tools\n"
        f"Version: {version}\n",
        f"site-packages/acme_tools-{version}.dist-info/top_level.txt": "acme\n",
    }


def test_an_installed_distribution_counts_by_its_version(fingerprint_of: Fingerprinter) -> None:
    before = "import sys; sys.path.append(ROOT + '/site-packages'); import m"
    one, same, other = (
        fingerprint_of(installed(version, f"def go(x):\n    return {number}\n"), "m.f", before=before)
        for version, number in (("1.0", 1), ("1.0", 2), ("1.1", 1))
    )
    assert one.code() == {"m:f"}
    assert "distribution acme-tools 1.0" in one.explained
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_the_standard_library_does_not_count(fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": "import json, os.path\ndef f(x): return json.dumps(os.path.join(x, 'a'))\n"}
    answer = fingerprint_of(files, "m.f", before="import m")
    assert [line for line in answer.explained if line.startswith(("code", "distribution"))] == [
        line for line in answer.explained if line.startswith("code m:f ")
    ]


def test_a_computed_import_is_refused(fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": "import importlib\ndef f(x): return importlib.import_module(x).go()\n"}
    answer = fingerprint_of(files, "m.f", before="import m")
    assert answer.error is not None
    assert "m:f imports a module whose name is computed" in answer.error
    assert "fingerprint()" in (answer.hint or "")


def test_code_without_source_is_refused(fingerprint_of: Fingerprinter) -> None:
    answer = fingerprint_of({}, "f", before="exec('def f(x): return x')")
    assert "cannot be read" in (answer.error or "")
    assert "fingerprint()" in (answer.hint or "")


def test_a_file_edited_after_its_import_is_refused(fingerprint_of: Fingerprinter) -> None:
    files = {"m.py": "def g(x): return 1\ndef f(x): return g(x)\nclass C:\n    def run(self): return g(1)\n"}
    edit = "import m\ntext = open(ROOT + '/m.py').read()\nopen(ROOT + '/m.py', 'w').write(text.replace({!r}, {!r}))"
    for component in ("m.f", "m.C()"):
        answer = fingerprint_of(files, component, before=edit.format("return 1", "return 2"))
        assert "was edited after it was imported" in (answer.error or "")
        harmless = fingerprint_of(files, component, before=edit.format("def g", "# a comment\n\ndef g"))
        assert harmless.fingerprint == fingerprint_of(files, component, before="import m").fingerprint


def test_the_main_script_and_the_same_module_imported_reach_the_same_code(
    fingerprint_of: Fingerprinter,
) -> None:
    files = {"exp.py": "K = 2\n\n\ndef g(x):\n    return K\n\n\ndef f(x):\n    return g(x)\n"}
    run = """
        import sys, types
        main = types.ModuleType("__main__")
        main.__file__ = ROOT + "/exp.py"
        sys.modules["__main__"] = main
        exec(compile(open(main.__file__).read(), main.__file__, "exec"), vars(main))
    """
    assert fingerprint_of(files, "main.f", before=run).code() == {"exp:f", "exp:g", "exp:K"}
    assert fingerprint_of(files, "exp.f", before="import exp").code() == {"exp:f", "exp:g", "exp:K"}


NOTEBOOK = """
    import linecache, sys, types
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main

    def run(number, text):
        name = f"<ipython-input-{number}-0123>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), vars(main))

    run(1, "import math\\nPROMPT = 'Rate {x}'\\nLIMITS = [1, 2]\\n")
    run(2, "def helper(x):\\n    return PROMPT, LIMITS, math.pi\\n")
    run(3, "class Gen:\\n    def __init__(self, n=1):\\n        self.n = n\\n    def generate(self, case, ctx):\\n"
           "        return helper(case)\\n")
"""


def test_a_notebook_is_followed_from_cell_to_cell(fingerprint_of: Fingerprinter) -> None:
    answer = fingerprint_of({}, "main.Gen()", before=NOTEBOOK)
    assert answer.code() == {"__main__:Gen", "__main__:helper"}
    values = {line.split(" ")[1] for line in answer.explained if line.startswith("value ")}
    assert values >= {"__main__:PROMPT", "__main__:LIMITS"}


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        ("PROMPT = 'Judge {x}'\\n", False),
        ("LIMITS = [1, 3]\\n", False),
        ("def helper(x):\\n    return PROMPT, LIMITS, math.tau\\n", False),
        ("def helper(x):  # again\\n    return PROMPT, LIMITS, math.pi\\n", True),
        ("unrelated = 3\\n", True),
    ],
)
def test_a_cell_that_runs_later_counts(cell: str, same: bool, fingerprint_of: Fingerprinter) -> None:
    before = NOTEBOOK + f'    run(4, "{cell}")\n'
    first = fingerprint_of({}, "main.Gen()", before=NOTEBOOK).fingerprint
    assert (fingerprint_of({}, "main.Gen()", before=before).fingerprint == first) is same
