"""The five steps of the trivial evaluation with other means: joblib.Memory, and a plain loop that fills sqlite3.

Each is a process of its own: this module with a name, a number of cases and a folder prints the seconds that it took.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blake3 import blake3

from tests.benchmarks import full_run, workload
from tests.benchmarks.figure import Dose, Figure, clock, in_a_process, ratio

_GROUP = 400


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield how many times as many cases per second themis does. Without joblib, its row is left out."""
    size = dose.runs[1]
    ways = {"sqlite": size, **({"joblib": dose.calls} if find_spec("joblib") else {})}
    rates: dict[str, list[float]] = {name: [] for name in ("themis", *ways)}
    for number in range(dose.rounds):
        rates["themis"].append(size / in_a_process(full_run.__name__, size, directory)["wall"])
        for name, calls in ways.items():
            place = directory / f"{name}-{number}"
            place.mkdir()
            rates[name].append(calls / in_a_process(__spec__.name, name, calls, place))
    if "joblib" in rates:
        row = f"full run over the same steps in joblib.Memory, {dose.calls:,} cases there"
        yield Figure(row, ratio(rates["themis"], rates["joblib"]))
    row = "full run over a loop that puts the same steps into sqlite3"
    yield Figure(row, ratio(rates["themis"], rates["sqlite"]), note="one row per step and nothing else")


def generate(number: int) -> dict[str, Any]:
    return {"final_output": workload.answer(number), "candidate_id": f"case-{number:06d}/0"}


def reduce(candidate: dict[str, Any]) -> dict[str, Any]:
    return {**candidate, "source_candidate_ids": [candidate["candidate_id"]]}


def parse(candidate: dict[str, Any]) -> dict[str, Any]:
    return {"value": candidate["final_output"].rpartition("= ")[2]}


def score(parsed: dict[str, Any], expected: str) -> dict[str, Any]:
    return {"value": float(parsed["value"] == expected)}


def judge(candidate: dict[str, Any], parsed: dict[str, Any], expected: str) -> dict[str, Any]:
    prompt = f"Is this right? Reply with a label.\n\n{candidate['final_output']}"
    return {"prompt": prompt, "response": f"right: it ends as it should, with {parsed['value']}", "score": 1.0}


def evaluate(number: int, cached: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Take one case through the steps."""
    candidate = cached(reduce)(cached(generate)(number))
    parsed = cached(parse)(candidate)
    cached(score)(parsed, str(2 * number))
    cached(judge)(candidate, parsed, str(2 * number))


def with_joblib(size: int, directory: Path) -> None:
    from joblib import Memory

    memory = Memory(directory / "joblib", verbose=0)
    functions = {each: memory.cache(each) for each in (generate, reduce, parse, score, judge)}
    for number in range(size):
        evaluate(number, functions.__getitem__)


def with_sqlite(size: int, directory: Path) -> None:
    database = sqlite3.connect(directory / "steps.sqlite")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE steps (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def cached(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any) -> Any:
            key = blake3(json.dumps([step.__name__, *inputs]).encode()).digest()
            row = database.execute("SELECT value FROM steps WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return json.loads(row[0])
            value = step(*inputs)
            database.execute("INSERT INTO steps VALUES (?, ?)", (key, json.dumps(value)))
            return value

        return call

    for number in range(size):
        evaluate(number, cached)
        if number % _GROUP == _GROUP - 1:
            database.commit()
    database.commit()
    database.close()


if __name__ == "__main__":
    way = {"joblib": with_joblib, "sqlite": with_sqlite}[sys.argv[1]]
    print(clock(lambda: way(int(sys.argv[2]), Path(sys.argv[3]))).wall)
