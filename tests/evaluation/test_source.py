from __future__ import annotations

import ast
import gc

from themis_vcs.evaluation import source

TEXT = "".join(f"x{number} = [(a + b) * {number} for a in range({number})]\n" for number in range(300)).encode()


class Finalized:
    """Garbage that parses something when it is collected, as the traceback of a lost task does."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ast.parse("((1 + 1) * 2)")


def test_a_module_is_read_while_garbage_that_parses_waits_to_be_collected() -> None:
    usual = gc.get_threshold()
    gc.set_threshold(50)
    try:
        for _ in range(30):
            for _ in range(5):
                Finalized()
            assert len(source._parse(TEXT, "module.py")) == 300
        assert gc.isenabled()
    finally:
        gc.set_threshold(*usual)
