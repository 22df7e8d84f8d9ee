"""Secrets: found in configurations, taken out of texts, got from references, and never shown."""

from __future__ import annotations

import random
import string
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from themis_vcs.errors import UsageError
from themis_vcs.evaluation.secrets import (
    find_literals,
    is_credential_name,
    is_reference,
    is_secret,
    redact,
    resolve_reference,
)

R = random.Random(20261123)


def drawn(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Random text that has at least one letter and one digit."""
    return "".join(R.choice(alphabet) for _ in range(length - 2)) + "a7"


HEX = string.hexdigits[:16]
UPPER = string.ascii_uppercase + "234567"
JWT = f"eyJ{drawn(20)}.eyJ{drawn(60)}.{drawn(43)}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{drawn(64)}\n{drawn(64)}\n-----END RSA PRIVATE KEY-----\n"
# (where in a configuration, the secret in it)
TOKENS = [
    f"sk-{drawn(48)}", f"sk-proj-{drawn(64)}", f"sk-ant-api03-{drawn(90)}", f"sk-or-v1-{drawn(64, HEX)}",
    f"gsk_{drawn(52)}", f"xai-{drawn(80)}", f"pplx-{drawn(48)}", f"r8_{drawn(37)}", f"nvapi-{drawn(60)}",
    f"hf_{drawn(34)}", f"lsv2_pt_{drawn(32, HEX)}", f"ghp_{drawn(36)}", f"gho_{drawn(36)}", f"ghs_{drawn(36)}",
    f"themis_{drawn(64, HEX)}",
    f"github_pat_{drawn(22)}_{drawn(59)}", f"glpat-{drawn(20)}", f"AKIA{drawn(16, UPPER).upper()}",
    f"ASIA{drawn(16, UPPER).upper()}", f"AIza{drawn(35)}", f"ya29.{drawn(60)}", f"GOCSPX-{drawn(28)}",
    f"xoxb-{drawn(12, string.digits)}-{drawn(24)}", f"xoxp-{drawn(40)}", f"xapp-1-{drawn(40)}", f"sk_live_{drawn(24)}",
    f"rk_test_{drawn(24)}", f"whsec_{drawn(32)}", f"npm_{drawn(36)}", f"pypi-AgEIcHlwaS5vcmc{drawn(80)}",
    f"SG.{drawn(22)}.{drawn(43)}", f"key-{drawn(32, HEX)}", f"SK{drawn(32, HEX)}", f"dapi{drawn(32, HEX)}",
    f"dop_v1_{drawn(64, HEX)}", f"123456789:AA{drawn(33)}", f"shpat_{drawn(32, HEX)}", f"lin_api_{drawn(40)}",
    f"AGE-SECRET-KEY-1{drawn(58, UPPER).upper()}", f"hvs.{drawn(24)}", JWT, PEM,
]  # fmt: skip
INSIDE = [
    ("Authorization: Bearer {}", drawn(40)), ("curl -H 'authorization: bearer {}' x", drawn(32)),
    ("Authorization: Basic {}", drawn(30) + "=="), ('{{"Authorization": "Token {}"}}', drawn(40)),
    ("https://api.example.org/v1?api_key={}", drawn(24)), ("https://x.example.org/v1?a=1&key={}&b=2", drawn(24)),
    ("https://acct.blob.example.net/c?sv=2023&sig={}", drawn(43) + "%3D"),
    ("https://b.example.com/o?X-Amz-Signature={}", drawn(64, HEX)), ("https://me:{}@db.example.org/x", "hunter2"),
    ("postgresql://eval:{}@10.0.0.5:5432/themis", drawn(12)), ("https://{}@git.example.org/r.git", drawn(36)),
    ("redis://:{}@cache:6379/0", drawn(16)), ("Cookie: session={}", drawn(40)), ("export API_KEY={}", drawn(30)),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}", drawn(86) + "=="),
    ("Server=db;Password={};Encrypt=yes", drawn(14)),
    ("https://hooks.slack.com/{}", f"services/T{drawn(9)}/B{drawn(9)}/x"),
    ("see the note: my key is {} ok?", f"sk-proj-{drawn(40)}"), ("line\n{}\nline", PEM.strip()),
]  # fmt: skip
NAMED = [
    ("api_key", "hunter2"), ("apiKey", "0123456789"), ("clientSecret", "abc"), ("API-Key", "abcdefgh"),
    ("x-api-key", drawn(20)),
    ("password", "correct horse"), ("passwd", 123456), ("secret", "abc"), ("client_secret", drawn(24)),
    ("aws_secret_access_key", drawn(40)), ("authorization", "anything"), ("openai_api_key", "plain"),
    ("token", drawn(20)), ("auth_token", "plainwords"), ("private_key", "x y z"), ("db_password", "pa55"),
    ("cookie", "a=b"), ("api_key", "secret://anything"), ("api_key", ["one", "two"]),
]  # fmt: skip


def shapes() -> list[Any]:
    tokens = [pytest.param({"note": token}, token, id=f"token {token[:8]!r}") for token in TOKENS]
    inside = [pytest.param({"a": [text.format(token)]}, token, id=text[:24]) for text, token in INSIDE]
    named = [pytest.param({"a": {name: value}}, str(value), id=f"named {name}") for name, value in NAMED]
    keys = [pytest.param({"a": {token: 1}}, token, id=f"key {token[:6]}") for token in TOKENS[:3]]
    return tokens + inside + named + keys


def test_there_are_enough_shapes() -> None:
    assert len(shapes()) >= 60


@pytest.mark.parametrize(("config", "secret"), shapes())
def test_no_shape_of_a_secret_passes(config: dict[str, Any], secret: str) -> None:
    found = find_literals({"generation": {"generator": config}})
    assert found
    assert all(path.startswith("generation.generator") for path, _ in found)
    assert secret not in str(found)


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_is_taken_out_of_a_text(token: str) -> None:
    text = redact(f"The server said: {token} is not valid, <b>{token}</b>.")
    assert token not in text
    assert text.startswith("The server said: [redacted]")


@pytest.mark.parametrize(("text", "secret"), INSIDE)
def test_a_secret_is_taken_out_of_its_surroundings(text: str, secret: str) -> None:
    assert secret not in redact(text.format(secret))


def test_redacting_twice_changes_nothing() -> None:
    for text, secret in INSIDE:
        assert redact(redact(text.format(secret))) == redact(text.format(secret))


def test_paths_lead_to_the_place() -> None:
    config = {"evaluation": {"judge_models": [{"use": "x"}, {"api_key": "abc", "headers": {"Authorization": "y"}}]}}
    assert [path for path, _ in find_literals(config)] == [
        "evaluation.judge_models[1].api_key",
        "evaluation.judge_models[1].headers.Authorization",
    ]


def test_structs_and_configurations_that_contain_themselves_are_searched() -> None:
    class Options(msgspec.Struct):
        api_key: str = "abc"

    config: dict[str, Any] = {"options": Options()}
    config["again"] = [config]
    [(path, why)] = find_literals(config)
    assert path == "options.api_key"
    assert why.startswith("a literal where a reference is needed")


@pytest.mark.parametrize("name", ["MY_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "APP_SECRET"])
def test_the_secrets_of_this_process_are_known_whatever_their_shape(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_literals({"a": "plain-words-here-too"}) == []
    monkeypatch.setenv(name, "plain-words-here-too")
    [(path, why)] = find_literals({"a": "plain-words-here-too"})
    assert (path, why) == ("a", "the value of a secret environment variable")
    assert find_literals({"a": "x plain-words-here-too y"})
    assert redact("x plain-words-here-too y") == "x [redacted] y"
    monkeypatch.setenv(name, "short")
    assert find_literals({"a": "short"}) == []


@pytest.mark.parametrize(
    "reference", [{"env": "NAME"}, {"file": "/run/secrets/key"}, {"command": "pass show key"}, "env:NAME", "file:~/k"]
)
def test_references_pass(reference: Any) -> None:
    assert is_reference(reference)
    assert find_literals({"api_key": reference, "headers": {"authorization": reference}}) == []


def test_a_command_with_a_key_in_it_does_not_pass() -> None:
    assert find_literals({"api_key": {"command": f"echo sk-{drawn(40)}"}})


HARMLESS = [
    {"tokenizer": "gpt2", "max_tokens": "100", "stop_tokens": ["</s>", "<|eot_id|>"], "token": "</s>"},
    {"max_tokens": 512, "eos_token": "<|endoftext|>", "pad_token_id": 0, "token_limit": 4096, "token_usage": {}},
    {"metric": "token_f1", "details": {"tokens": 12, "per_token": 0.5, "secret_word": "banana"}},
    {"system": "You are a secretary. Keep every password secret: never tell the token that you were given."},
    {"template": "Question: {input}\nAnswer with one token. The key is: think. Basic arithmetic only."},
    {"rubric": "Bearer of good news? Score 1-5. A basic understanding counts. Authorization to operate is needed."},
    {"model": "gpt-4o-2024-08-06", "base_url": "https://api.openai.com/v1", "organization": "org-research"},
    {"model": "anthropic/claude-sonnet-4-5-20250929", "base_url": "https://openrouter.ai/api/v1"},
    {"model": "meta-llama/Llama-3.1-8B-Instruct", "revision": "0e9e39f249a16976918f6564b8830bc894c89659"},
    {"model": "SmolLM2-135M-Instruct.Q4_1.gguf", "base_url": "http://127.0.0.1:8080/v1", "api_key": "EMPTY"},
    {"api_key": {"env": "OPENAI_API_KEY"}, "timeout": 30}, {"api_key": "env:OPENAI_API_KEY"}, {"api_key": None},
    {"api_key": "${OPENAI_API_KEY}"}, {"api_key": "<your key here>"}, {"api_key": ""}, {"api_key": "not-needed"},
    {"password": "", "username": "eval"}, {"secret": None}, {"token": None}, {"auth": "OpenIdConnect"},
    {"auth": "none"},
    {"store": "/home/me/.themis", "path": "data/sk-learn/train.jsonl"}, {"name": "sk-learn-pipeline-classifier"},
    {"git": "git@github.com:me/repo.git", "remote": "ssh://git@example.org/repo", "url": "https://me@example.org/x"},
    {"commit": "9f2c1b7e4d6a8035c1e2f4a6b8d0c2e4f6a8b0c2", "digest": "sha256:" + "ab12" * 16},
    {"run_id": "1f" * 32, "id": "550e8400-e29b-41d4-a716-446655440000"},
    {"labels": ["A", "B", "C", "D"], "choices": {"A": "key=value", "B": "a?b=c", "C": "x&key=y"}},
    {"pattern": r"(?i)answer\s*[:=]\s*([A-D])", "group": 1}, {"pattern": r"\bkey-[0-9a-f]+\b"},
    {"url": "https://example.org/search?q=api+key&page=2", "doc": "https://example.org/docs/api_key?lang=en"},
    {"url": "https://example.org/x?token={token}&key=$KEY", "seed": 1234567890123456789},
    {"dataset": "hf_datasets/gsm8k", "split": "test", "config": "main", "hf_home": "/cache/hf_home"},
    {"image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"},
    {"code": "def f(token: str) -> str:\n    password = input()\n    return token"},
    {"code": "secret = os.environ['SECRET']\napi_key = get_key()\n"}, {"text": "password: ask the administrator"},
    {"headers": {"content-type": "application/json", "x-request-id": "abc-123"}},
    {"note": "Set OPENAI_API_KEY, e.g. export OPENAI_API_KEY=... before the run"},
    {"parser": "builtin/regex", "metric": ["builtin/exact_match", "mypkg.metrics:TokenF1"]},
    {"answer": "sk", "letters": "ghp", "word": "AKIA", "start": "eyJ", "greeting": "xoxo"},
    {"sampling": {"temperature": 0.7, "top_p": 0.95, "top_k": 40, "seed": 42, "n": 5}},
    {"storage": {"store": "lmdb", "parameters": {"map_size": 1073741824, "compression": "zstd"}}},
    {"runtime": {"max_concurrent_tasks": 32, "provider_concurrency": {"api.openai.com:443": 8}}},
    {"judge_config": {"scale": [1, 5], "rubric": "Is the answer correct?\n\n1 = no\n5 = yes"}},
    {"mail": "someone@example.org", "site": "http://user@localhost:8080"},
    {"keys": ["input", "expected_output"], "key": "question_12", "sort_key": "case_id", "primary_key": "id"},
    {"signature": "def f(x):", "session": "morning-2", "credentials_file": "/run/secrets/openai"},
    {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host"},
    {"prompt": "Decode this JWT header: eyJhbGciOiJIUzI1NiJ9"}, {"prompt": "What does 'Bearer token' mean in OAuth?"},
    {"experiment": "ablation-3", "owner": "team-eval", "tags": ["v2", "2026-11-23"], "policy": "auto"},
    {"candidate_policy": {"num_samples": 5}, "selector": None, "reducer": "builtin/majority_vote"},
    {"extra_body": {"top_k": 40, "min_p": 0.05, "chat_template_kwargs": {"enable_thinking": False}}},
    {"description": "F1 over tokens, see https://rajpurkar.github.io/SQuAD-explorer/", "weight": 0.25},
    {"prompt": "Is `sk-` a prefix of keys? Is AIza?"}, {"prompt": "The password of the vault was 'swordfish'."},
]  # fmt: skip


def test_no_harmless_configuration_is_refused() -> None:
    settings = [{name: value} for config in HARMLESS for name, value in config.items()]
    refused = [(each, find_literals(each)) for each in settings if find_literals(each)]
    assert len(settings) >= 100
    assert refused == []


def test_ordinary_text_is_not_redacted() -> None:
    for config in HARMLESS:
        for value in config.values():
            if isinstance(value, str) and value not in ("${OPENAI_API_KEY}",):
                assert redact(value) == value


def test_a_whole_secret_is_told_from_a_text_that_holds_one() -> None:
    assert all(is_secret(token) for token in TOKENS)
    assert not any(is_secret(f"Rate this: {token}") for token in TOKENS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("api_key", True), ("apiKey", True), ("X-API-Key", True), ("openai_api_key", True), ("password", True),
        ("token", False), ("max_tokens", False), ("stop_token", False), ("key", False), ("secretary", False),
    ],
)  # fmt: skip
def test_credential_names_are_exact(name: str, expected: bool) -> None:
    assert is_credential_name(name) is expected


def test_references_are_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THE_KEY", "abc")
    (tmp_path / "key").write_text("from-file\n")
    command = f"{sys.executable} -c \"print('from-command')\""
    assert resolve_reference({"env": "THE_KEY"}) == resolve_reference("env:THE_KEY") == "abc"
    assert resolve_reference({"file": str(tmp_path / "key")}) == "from-file"
    assert resolve_reference({"command": command}) == resolve_reference(f"command:{command}") == "from-command"


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("hunter2-literal", "not as a reference"),
        ({"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE' is not set"),
        ({"env": "EMPTY_ONE"}, "is empty"),
        ({"env": "TWO_LINES"}, "no header can carry"),
        ({"env": "NOT_ASCII"}, "no header can carry"),
        ({"file": "/no/such/file"}, "No such file"),
        ({"file": "/dev/zero"}, "is no secret"),
        ({"command": "/no/such/program"}, "failed"),
        ({"command": "false"}, "status 1"),
        ({"command": 'sh -c "echo hunter2-loud; echo hunter2-loud >&2; exit 3"'}, "status 3"),
        ({"command": "'unbalanced"}, "failed"),
    ],
)
def test_a_reference_that_leads_nowhere_says_so(reference: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    monkeypatch.setenv("EMPTY_ONE", "")
    monkeypatch.setenv("TWO_LINES", "hunter2\nhunter3")
    monkeypatch.setenv("NOT_ASCII", "hunter2é")
    with pytest.raises(UsageError, match=what) as caught:
        resolve_reference(reference)
    shown = f"{caught.value.message} {caught.value.hint}"
    command = reference.get("command", "") if isinstance(reference, dict) else ""
    assert "hunter" not in shown.replace(repr(command)[:82], "")


LONG = [
    "A" * 50_000, "eyJ" * 20_000, "sk-" * 20_000, "http://" * 8_000, "a:b@" * 15_000, "-----BEGIN " * 5_000,
    "://" * 20_000, "password=" * 6_000, "bearer " * 8_000, "?key=" * 10_000, "eyJaaaaaaaa." * 5_000,
    "x://" + ":" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:12])
def test_time_grows_with_the_length_alone(text: str) -> None:
    """A pattern that backtracks would not come back from these at all."""
    redact(text)
    find_literals({"a": text})
