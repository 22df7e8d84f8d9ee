"""Experiments from TOML, YAML or JSON files: read, overridden by `--set`, checked as a whole, and turned into objects.

    name = "smollm2"                        # the line of runs; default: the name of the file
    seeds = [7]

    [generation]
    generator = { use = "builtin/recorded_generator", path = "answers.jsonl" }
    candidate_policy = { num_samples = 3 }
    reducer = "builtin/majority_vote"

    [evaluation]
    parsers = ["answer_parser:parse_answer"]
    metrics = ["builtin/exact_match", "builtin/llm_rubric"]
    judge_models = [{ use = "builtin/recorded_judge", path = "verdicts.jsonl" }]
    judge_config = { rubric = "@rubric-a.txt" }

    [[datasets]]
    path = "questions.jsonl"

Paths are relative to the file. A text "@FILE" in `judge_config`, `workflow_overrides`, `prompt_spec` or `--set` is
replaced by the content of that file; "@@" begins a text with "@".
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from themis_vcs.catalog.readers import read_dataset
from themis_vcs.errors import ConfigurationError, DataError, UsageError
from themis_vcs.evaluation.dataset import Dataset
from themis_vcs.evaluation.secrets import find_literals
from themis_vcs.pipeline.config import EvaluationConfig, GenerationConfig, RuntimeConfig, StorageConfig
from themis_vcs.pipeline.experiment import Experiment
from themis_vcs.pipeline.misfits import misfits

MAX_BYTES = 16 * 1024 * 1024
"""Largest configuration, and largest file that "@FILE" brings in."""

_TEXT_SECTIONS = (
    ("generation", "prompt_spec"),
    ("evaluation", "prompt_spec"),
    ("evaluation", "judge_config"),
    ("evaluation", "workflow_overrides"),
)
_PATH_OPTIONS = ("path",)


class Fields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a record that make a case; a list of names makes an object of these fields."""

    case_id: str | None = None
    input: str | list[str] | None = None
    expected_output: str | list[str] | None = None
    metadata: str | list[str] | None = None

    def options(self) -> dict[str, Any]:
        """As `read_dataset` takes them."""
        return {
            "case_id": self.case_id,
            "input": self.input,
            "expected": self.expected_output,
            "metadata": self.metadata,
        }


class DatasetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset in a file. `fields` says which fields of its records make a case, where they have other names."""

    path: str
    dataset_id: str | None = None
    revision: str | None = None
    metadata: dict[str, Any] = {}
    fields: Fields = Fields()
    limit: int | None = None


class ExperimentFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of an experiment file."""

    generation: GenerationConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    storage: StorageConfig = StorageConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    datasets: list[DatasetFile]
    seeds: list[int] = []
    name: str | None = None
    environment_metadata: dict[str, Any] = {}


def load_experiment(
    path: Path, settings: Sequence[str] = (), name: str | None = None, *, for_replay: bool = False
) -> Experiment:
    """The experiment in a file, with `settings` ("a.b=value", the value as TOML, else as text) applied.

    ConfigurationError lists everything that is wrong, each with its place. The file's directory is put on the import
    path, so that it can name components of modules beside it. What is only replayed has its cases from the store: then
    the experiment has no datasets if one of their files is not there.
    """
    data = read_mapping(path)
    for setting in settings:
        _apply(data, setting, Path.cwd())
    problems = [(where.removeprefix("$."), why) for where, why in find_literals(data)]
    _insert_texts(data, path.parent, problems)
    problems += misfits(data, ExperimentFile)
    if problems:
        raise ConfigurationError(str(path), problems)
    config = msgspec.convert(data, ExperimentFile)
    directory = path.resolve().parent
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    return Experiment(
        generation=_rooted(config.generation, directory),
        evaluation=_rooted(config.evaluation, directory),
        storage=_rooted_storage(config.storage, directory),
        runtime=config.runtime,
        datasets=_datasets(config.datasets, directory, str(path), for_replay=for_replay),
        seeds=config.seeds,
        name=name or config.name or path.stem,
        environment_metadata=config.environment_metadata,
        directory=directory,
        source=str(path),
    )


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a .toml, .yaml, .yml or .json file. ConfigurationError with the line for one that is malformed."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(str(path), [("", f"{len(raw)} bytes are more than the {MAX_BYTES} allowed")])
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: unknown kind of file", hint=f"an experiment is one of {', '.join(_READERS)}")
    try:
        data = reader(raw)
    except (
        tomllib.TOMLDecodeError,
        yaml.YAMLError,
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ) as error:
        raise ConfigurationError(str(path), [("", " ".join(str(error).split()))]) from error
    if not isinstance(data, dict):
        raise ConfigurationError(str(path), [("", f"expected a mapping, got {type(data).__name__}")])
    return data


def _toml(raw: bytes) -> Any:
    return tomllib.loads(raw.decode())


def _yaml(raw: bytes) -> Any:
    # Aliases can make a few bytes into gigabytes; experiments do not need them.
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw, Loader=yaml.SafeLoader)):
        raise yaml.YAMLError("aliases (*name) are not allowed")
    return yaml.safe_load(raw)


_READERS: dict[str, Callable[[bytes], Any]] = {
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": msgspec.json.decode,
}


def _apply(data: dict[str, Any], setting: str, directory: Path) -> None:
    path, separator, text = setting.partition("=")
    if not separator or not path.strip():
        raise UsageError(f"--set {setting!r}: expected PATH=VALUE", hint="for example --set seeds=[1]")
    place: Any = data
    *parents, last = path.strip().split(".")
    for number, part in enumerate(parents):
        place = _step(place, part, ".".join(parents[: number + 1]), {})
    value = _value(text)
    if isinstance(value, str):
        try:
            value = _text(value, directory, path)
        except DataError as error:
            raise UsageError(f"--set {error.message}", hint=error.hint) from error
    if isinstance(place, list):
        place[_position(place, last, path)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise UsageError(f"--set {path}: {'.'.join(parents)} is {type(place).__name__}, it has no parts")


def _step(place: Any, part: str, path: str, default: Any) -> Any:
    if isinstance(place, list):
        return place[_position(place, part, path)]
    if isinstance(place, dict):
        return place.setdefault(part, default)
    raise UsageError(f"--set: {path} is inside of {type(place).__name__}, it has no parts")


def _position(place: list[Any], part: str, path: str) -> int:
    if part.isdigit() and int(part) < len(place):
        return int(part)
    raise UsageError(
        f"--set {path}: {part!r} is not a position in a list of {len(place)}", hint="positions count from 0"
    )


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _text(value: str, directory: Path, path: str) -> str:
    if value.startswith("@@"):
        return value[1:]
    if not value.startswith("@"):
        return value
    file = directory / value[1:]
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: {file} is larger than {MAX_BYTES} bytes")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise DataError(f"{path}: cannot read {file}: {reason}", hint='"@@" begins a text with "@"') from error


def _insert_texts(data: dict[str, Any], directory: Path, problems: list[tuple[str, str]]) -> None:
    def walk(value: Any, path: str) -> Any:
        if isinstance(value, str):
            try:
                return _text(value, directory, path)
            except DataError as error:
                problems.append((path, error.message.removeprefix(f"{path}: ")))
                return value
        if isinstance(value, dict):
            return {key: walk(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, f"{path}[{number}]") for number, item in enumerate(value)]
        return value

    for section, key in _TEXT_SECTIONS:
        part = data.get(section)
        if isinstance(part, dict) and key in part:
            part[key] = walk(part[key], f"{section}.{key}")


def _rooted(config: Any, directory: Path) -> Any:
    """The configuration with the `path` options of its components relative to the file's directory."""

    def root(component: Any) -> Any:
        if isinstance(component, list):
            return [root(each) for each in component]
        if not isinstance(component, dict) or "use" not in component:
            return component
        return {
            key: str(directory / value) if key in _PATH_OPTIONS and isinstance(value, str) else value
            for key, value in component.items()
        }

    names = config.__struct_fields__
    return type(config)(**{name: root(getattr(config, name)) for name in names})


def _rooted_storage(storage: StorageConfig, directory: Path) -> StorageConfig:
    path = storage.parameters.get("path")
    if not isinstance(path, str):
        return storage
    return StorageConfig(store=storage.store, parameters={**storage.parameters, "path": str(directory / path)})


def _datasets(files: Sequence[DatasetFile], directory: Path, source: str, *, for_replay: bool) -> list[Dataset]:
    if for_replay and not all((directory / each.path).is_file() for each in files):
        return []
    problems: list[tuple[str, str]] = []
    datasets = []
    for number, each in enumerate(files):
        file = directory / each.path
        if not file.is_file():
            what = "not a file" if file.exists() else "no such file"
            problems.append((f"datasets.{number}.path", f"{what}: {file}"))
            continue
        read = read_dataset(
            file,
            dataset_id=each.dataset_id,
            revision=each.revision,
            limit=each.limit,
            **each.fields.options(),
        )
        datasets.append(msgspec.structs.replace(read, metadata=each.metadata))
    if problems:
        raise ConfigurationError(source, problems)
    return datasets
