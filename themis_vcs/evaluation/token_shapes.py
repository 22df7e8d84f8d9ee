"""The shapes of well-known tokens, keys and credentials, and how to find and replace them in text.

Every pattern is linear in the text: it starts at a fixed prefix or at a boundary, and after a repetition nothing
follows that the repetition could have eaten. Prefixes are those that the issuers document for secret scanning. Most
texts have none of the words of a shape, and looking for words is far quicker than matching patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple


class Shape(NamedTuple):
    """A kind of secret. The group `secret`, or else the whole match, is what must not be shown.

    Every match has one of the `words` in it; if `folded`, in any case. `random` asks for a secret that looks drawn at
    random, where the pattern alone also fits ordinary words.
    """

    kind: str
    pattern: re.Pattern[str]
    words: Sequence[str]
    folded: bool = False
    random: bool = False


_BOUNDARY: Final = "(?<![A-Za-z0-9_-])"


def _token(kind: str, prefixes: str, rest: str, *, random: bool = False) -> Shape:
    """A secret that begins with one of some prefixes, which are separated by spaces."""
    words = prefixes.split()
    return Shape(kind, re.compile(rf"{_BOUNDARY}(?P<secret>{_one_of(words)}{rest})"), words, random=random)


def _one_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, words))})"


def _joined(*pairs: tuple[str, str]) -> list[str]:
    return [f"{first}{joint}{second}" for first, second in pairs for joint in ("", "_", "-")]


_URL: Final = r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,20}://"
_PARAMETERS: Final = (
    *_joined(("api", "key")),
    *("key", "sig", "signature", "x-amz-signature", "x-amz-security-token", "x-goog-signature", "token"),
    *("access_token", "auth", "password", "secret", "client_secret", "subscription-key"),
)
_NAMES: Final = (
    *_joined(("api", "key"), ("api", "token"), ("access", "token"), ("auth", "token"), ("client", "secret")),
    *("secret", "password", "passwd", "pwd"),
)
_VALUE: Final = r"[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[^\s\"',;&<>{}$]{6,})"

SHAPES: Final = (
    Shape("a private key", re.compile(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]*(?:-----END [A-Z0-9 ]{0,60}-----)?"
    ), ["-----BEGIN "]),
    Shape("an authorization header", re.compile(
        r"(?i:\b(?:bearer|basic)[ \t]{1,4})(?P<secret>[A-Za-z0-9._~+/=-]{12,})"
    ), ["bearer", "basic"], folded=True, random=True),
    Shape("an authorization header", re.compile(
        r"(?i:authorization)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:[A-Za-z]{1,20} )?(?P<secret>[^\s\"',;&<>{}$]{8,})"
    ), ["authorization"], folded=True, random=True),
    Shape("a cookie header", re.compile(
        r"(?i:\bcookie[ \t]{0,4}:[ \t]{0,4})(?P<secret>[A-Za-z0-9_.-]{1,80}=[^\s;]{6,})"
    ), ["cookie"], folded=True, random=True),
    Shape("a password in a URL", re.compile(_URL + r"[^/\s:@]{0,200}:(?P<secret>[^/\s@]{1,500})@"), ["@"]),
    Shape("a token in a URL", re.compile(_URL + r"(?P<secret>[^/\s:@]{8,500})@"), ["@"], random=True),
    Shape("a key in a URL", re.compile(
        rf"[?&;](?i:{_one_of(_PARAMETERS)})=(?P<secret>[^&\s#\"'<>{{}}$]{{6,}})"
    ), [f"{name}=" for name in _PARAMETERS], folded=True, random=True),
    Shape("a named secret", re.compile(
        rf"(?<![A-Za-z0-9])(?i:{_one_of(_NAMES)})[\"']?{_VALUE}"
    ), _NAMES, folded=True, random=True),
    Shape("a storage account key", re.compile(
        r"(?i:(?:Account|SharedAccess|SharedSecret)Key=)(?P<secret>[A-Za-z0-9+/=]{16,})"
    ), ["key="], folded=True),
    Shape("a webhook address", re.compile(
        r"hooks\.slack\.com/(?P<secret>(?:services|workflows)/[A-Za-z0-9/_-]{16,})"
    ), ["hooks.slack.com/"]),
    Shape("a Telegram token", re.compile(rf"{_BOUNDARY}(?P<secret>[0-9]{{8,10}}:AA[A-Za-z0-9_-]{{30,}})"), [":AA"]),
    _token("an API key", "sk-", r"[A-Za-z0-9_-]{16,}", random=True),
    _token(
        "an API key", "gsk_ xai- pplx- nvapi- fw_ r8_ tgp_v1_ csk- pa- jina_ tvly-", r"[A-Za-z0-9_-]{16,}", random=True
    ),
    _token("an API key", "lsv2_", r"[a-z]{2}_[A-Za-z0-9_-]{16,}", random=True),
    _token("an Anthropic key", "sk-ant-", r"[A-Za-z0-9_-]{8,}"),
    _token("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{16,}"),
    _token("a GitHub token", "github_pat_", r"[A-Za-z0-9_]{20,}"),
    _token("a token for themis serve", "themis_", r"[0-9a-f]{64}(?![A-Za-z0-9])"),
    _token("a GitLab token", "glpat- gldt- glrt- glcbt- glptt- glft- glsoat-", r"[A-Za-z0-9_-]{16,}"),
    _token("an AWS access key", "AKIA ASIA ABIA ACCA", r"[A-Z2-7][A-Z0-9]{15}(?![A-Za-z0-9])"),
    _token("a Google key", "AIza", r"[A-Za-z0-9_-]{30,}"),
    _token("a Google token", "ya29. GOCSPX- 1//0", r"[A-Za-z0-9_-]{16,}"),
    _token("a Slack token", "xoxa- xoxb- xoxc- xoxe- xoxo- xoxp- xoxr- xoxs-", r"[A-Za-z0-9-]{10,}"),
    _token("a Slack token", "xapp-", r"[0-9]-[A-Za-z0-9-]{10,}"),
    _token("a Hugging Face token", "hf_ api_org_", r"[A-Za-z0-9]{24,}"),
    _token("a Stripe key", "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_", r"[A-Za-z0-9]{10,}"),
    _token("a signing secret", "whsec_", r"[A-Za-z0-9+/=]{16,}"),
    _token("a package registry token", "npm_", r"[A-Za-z0-9]{30,}"),
    _token("a package registry token", "pypi-AgE", r"[A-Za-z0-9_-]{40,}"),
    _token("a SendGrid key", "SG.", r"[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]{16,})?"),
    _token("a Mailgun key", "key-", r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    _token("a Twilio key", "SK AC", r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    _token("a Databricks token", "dapi", r"[0-9a-f]{32}"),
    _token("a DigitalOcean token", "doo_v1_ dop_v1_ dor_v1_", r"[0-9a-f]{32,}"),
    _token("a Shopify token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}"),
    _token("a Linear, Notion or Figma token", "lin_api_ ntn_ secret_ figd_", r"[A-Za-z0-9_-]{30,}"),
    _token("an age key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{20,}"),
    _token("a Vault token", "hvs. hvb. hvr.", r"[A-Za-z0-9_-]{20,}"),
    _token("a JSON web token", "eyJ", r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),
    _token("a JSON web token", "eyJ", r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{0,800}\.[A-Za-z0-9_-]{8,}"),
)  # fmt: skip

# One pattern for all that can stand alone: the question is asked of every text in a configuration.
_WHOLE: Final = re.compile(
    "|".join(
        shape.pattern.pattern.replace("?P<secret>", "?:")
        for shape in SHAPES
        if shape.kind == "a private key" or shape.pattern.pattern.startswith(_BOUNDARY)
    )
)
_MIN_RANDOM = 8
_LONG_RANDOM = 32
_WORDS = re.compile(r"[a-z]+(?:[._/-][a-z]+)*|[A-Z][a-z]+(?:[A-Z][a-z]+)*|[A-Z]+(?:[_-][A-Z]+)*")


def find_token(text: str) -> str | None:
    """The kind of the first secret in the text, such as "a GitHub token"; None if there is none."""
    for shape in _possible(text):
        for match in shape.pattern.finditer(text):
            if _fits(shape, match):
                return shape.kind
    return None


def whole_token(text: str) -> bool:
    """Whether the text is one secret and nothing else but space around it."""
    text = text.strip()
    return _WHOLE.fullmatch(text) is not None and find_token(text) is not None


def redact_tokens(text: str, replacement: str) -> str:
    """The text with the secret part of every match replaced."""

    def replaced(shape: Shape, match: re.Match[str]) -> str:
        if not _fits(shape, match):
            return match.group()
        start, end = match.span(_group(shape))
        return match.string[match.start() : start] + replacement + match.string[end : match.end()]

    for shape in _possible(text):
        text = shape.pattern.sub(lambda match, shape=shape: replaced(shape, match), text)  # type: ignore[misc]
    return text


def looks_random(text: str) -> bool:
    """Whether a text looks drawn at random rather than written: long enough, without spaces, and no plain words."""
    if len(text) < _MIN_RANDOM or any(each.isspace() for each in text) or not text.isascii():
        return False
    if not any(each.isalnum() for each in text) or text[0] in "<[{$" or _WORDS.fullmatch(text):
        return False
    digits = sum(each.isdigit() for each in text)
    letters = sum(each.isalpha() for each in text)
    mixed = any(each.isupper() for each in text) and any(each.islower() for each in text)
    return (digits > 0 and letters > 0) or mixed or digits >= _MIN_RANDOM or len(text) >= _LONG_RANDOM


def _possible(text: str) -> list[Shape]:
    """The shapes of which the text has a word."""
    folded = _folded(text)
    found = []
    for shape in SHAPES:
        within = folded if shape.folded else text
        for word in shape.words:  # not `any`: this is done for every text of a log
            if word in within:
                found.append(shape)
                break
    return found


def _folded(text: str) -> str:
    """The text with every character that `re.IGNORECASE` takes for a letter from a to z as that letter."""
    folded = text.casefold()
    return folded if folded.isascii() else folded.replace("\u0131", "i").replace("i\u0307", "i")


def _group(shape: Shape) -> str | int:
    return "secret" if "secret" in shape.pattern.groupindex else 0


def _fits(shape: Shape, match: re.Match[str]) -> bool:
    return not shape.random or looks_random(match.group(_group(shape)))
