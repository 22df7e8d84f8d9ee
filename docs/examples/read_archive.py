"""Read an archive of themis with nothing but Python's standard library; format/stage-bundle.md says how it is written.

    python3 read_archive.py ARCHIVE            every value, a JSON object a line
    python3 read_archive.py ARCHIVE --means    the mean of every metric of every run
    python3 read_archive.py ARCHIVE --check    whether every file is what the manifest says

ARCHIVE is the directory of the bag, or a zip file of it.
"""

import hashlib
import json
import math
import sys
import zipfile
from collections import defaultdict
from pathlib import Path


def files(archive):
    """Return how to open each file of an archive for reading bytes, by name."""
    path = Path(archive)
    if path.is_dir():
        found = {each.relative_to(path).as_posix(): each for each in path.rglob("*") if each.is_file()}
        return {name: (lambda each=each: each.open("rb")) for name, each in found.items()}
    opened = zipfile.ZipFile(path)
    return {name.partition("/")[2]: (lambda name=name: opened.open(name)) for name in opened.namelist()}


def lines(archive):
    """Yield the lines of every run, each after the run's label."""
    for name, open_file in sorted(files(archive).items()):
        if name.startswith("data/runs/") and name.endswith("/stages.jsonl"):
            with open_file() as file:
                for line in file:
                    yield name.split("/")[2], json.loads(line)


def plain(value):
    """Return data as it was before it became JSON (STAGE-2)."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {"$bytes"}:
            return bytes.fromhex(value["$bytes"])
        if value.keys() == {"$float"}:
            return float(value["$float"])
        return {key[1:] if key.startswith("$$") else key: plain(each) for key, each in value.items()}
    return value


def values(archive):
    """Yield what every component made of every case, or why it made nothing, in the order of stages and components."""
    components = {}
    for run, line in lines(archive):
        if line["kind"] == "head":
            components = {
                (stage["name"], track["id"]): track["component"]
                for stage in line["stages"]
                for track in stage["tracks"]
            }
        elif line["kind"] == "record":
            yield {
                "run": run,
                "stage": line["stage"],
                "track": line["track"],
                "component": components[line["stage"], line["track"]]["id"],
                "dataset": line["dataset_id"],
                "case": line["case_id"],
                "index": line["index"],
                "type": line["payload"] and line["payload"]["type"],
                "value": line["payload"] and plain(line["payload"]["data"]),
                "error": line["error"] and line["error"]["message"],
                "hash": line["hash"],
            }


def score(found):
    """Return the number that a metric or a judge gave, None if it gave none."""
    value = found["value"]
    if found["type"] == "score":
        return value["value"]
    if found["type"] == "evaluation":
        aggregated = (value.get("aggregation_output") or {}).get("value")
        if isinstance(aggregated, (int, float)) and not isinstance(aggregated, bool):
            return float(aggregated)
        scores = [each["value"] for each in value.get("scores", [])]
        return math.fsum(scores) / len(scores) if scores else None
    return None


def means(archive):
    """Return mean and number of cases by run and metric. Several draws of a case are averaged first."""
    cases = defaultdict(lambda: defaultdict(list))
    for found in values(archive):
        number = score(found)
        if number is not None:
            cases[found["run"], found["track"]][found["dataset"], found["case"]].append(number)
    averaged = {key: [math.fsum(draws) / len(draws) for draws in by_case.values()] for key, by_case in cases.items()}
    return {key: (math.fsum(numbers) / len(numbers), len(numbers)) for key, numbers in averaged.items()}


def damaged(archive):
    """Return the names of files that are missing, or have another SHA-512 than a manifest says."""
    found, wrong = files(archive), []
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        with found[manifest]() as file:
            listed = dict(reversed(line.decode().rstrip("\n").split("  ", 1)) for line in file)
        for name, digest in listed.items():
            hashed = hashlib.sha512()
            if name in found:
                with found[name]() as file:
                    while chunk := file.read(1 << 20):
                        hashed.update(chunk)
            if hashed.hexdigest() != digest:
                wrong.append(name)
    return wrong


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--means"], ["--check"]):
        sys.exit(__doc__)
    if sys.argv[2:] == ["--check"]:
        sys.exit("\n".join(f"damaged: {name}" for name in damaged(sys.argv[1])) or 0)
    if sys.argv[2:] == ["--means"]:
        for (run, metric), (mean, count) in means(sys.argv[1]).items():
            print(f"{run}  {metric}  {mean:.6g}  of {count} cases")
    else:
        for found in values(sys.argv[1]):
            print(json.dumps(found, default=bytes.hex))
