"""The shapes of well-known tokens, keys and credentials, and how to find and replace them in text.

Every pattern is linear in the text: it starts at a fixed prefix or at a boundary, and after a repetition nothing
follows that the repetition could have eaten. Prefixes are those that the issuers document for secret scanning. Most
texts have none of the words that a shape needs, and looking for words is far quicker than matching patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple


class Shape(NamedTuple):
    """A kind of secret. The group `secret`, or else the whole match, is what must not be shown.

    Every match has one of the words `needs` in it, or in its casefolded text if `folded`. `random` asks for a secret
    that looks drawn at random, where the pattern alone also fits ordinary words.
    """

    kind: str
    pattern: re.Pattern[str]
    needs: Sequence[str]
    folded: bool = False
    random: bool = False


_BOUNDARY: Final = "(?<![A-Za-z0-9_-])"


def _token(kind: str, pattern: str, *needs: str, random: bool = False) -> Shape:
    return Shape(kind, re.compile(rf"{_BOUNDARY}(?P<secret>{pattern})"), needs, random=random)


_URL: Final = r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,20}://"
_PARAMETERS: Final = (
    "api[_-]?key|apikey|key|sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|token|access_token"
    "|auth|password|secret|client_secret|subscription-key"
)
_NAMES: Final = "api[_-]?key|api[_-]?token|access[_-]?token|auth[_-]?token|client[_-]?secret|secret|password|passwd|pwd"
_VALUE: Final = r"[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[^\s\"',;&<>{}$]{6,})"

_NAMES_NEEDED: Final = (
    *(f"{name}{joint}" for name in ("api", "access", "auth") for joint in ("token", "_token", "-token")),
    *("apikey", "api_key", "api-key", "secret", "password", "passwd", "pwd"),
)
_PARAMETERS_NEEDED: Final = ("key=", "sig=", "signature=", "token=", "auth=", "password=", "secret=")
_HOSTS: Final = ("gsk_", "xai-", "pplx-", "nvapi-", "fw_", "r8_", "tgp_v1_", "csk-", "lsv2_", "pa-", "jina_", "tvly-")

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
        rf"[?&;](?i:{_PARAMETERS})=(?P<secret>[^&\s#\"'<>{{}}$]{{6,}})"
    ), _PARAMETERS_NEEDED, folded=True, random=True),
    Shape("a named secret", re.compile(
        rf"(?<![A-Za-z0-9])(?i:{_NAMES})[\"']?{_VALUE}"
    ), _NAMES_NEEDED, folded=True, random=True),
    Shape("a storage account key", re.compile(
        r"(?i:(?:Account|SharedAccess|SharedSecret)Key=)(?P<secret>[A-Za-z0-9+/=]{16,})"
    ), ["key="], folded=True),
    Shape("a webhook address", re.compile(
        r"hooks\.slack\.com/(?P<secret>(?:services|workflows)/[A-Za-z0-9/_-]{16,})"
    ), ["hooks.slack.com/"]),
    _token("an API key", r"sk-[A-Za-z0-9_-]{16,}", "sk-", random=True),
    _token(
        "an API key",
        r"(?:gsk_|xai-|pplx-|nvapi-|fw_|r8_|tgp_v1_|csk-|lsv2_[a-z]{2}_|pa-|jina_|tvly-)[A-Za-z0-9_-]{16,}",
        *_HOSTS,
        random=True,
    ),
    _token("an Anthropic key", r"sk-ant-[A-Za-z0-9_-]{8,}", "sk-ant-"),
    _token("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{16,}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _token("a GitHub token", r"github_pat_[A-Za-z0-9_]{20,}", "github_pat_"),
    _token("a token for themis serve", r"themis_[0-9a-f]{64}(?![A-Za-z0-9])", "themis_"),
    _token("a GitLab token", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{16,}",
           "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-"),
    _token("an AWS access key", r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7][A-Z0-9]{15}(?![A-Za-z0-9])",
           "AKIA", "ASIA", "ABIA", "ACCA"),
    _token("a Google key", r"AIza[A-Za-z0-9_-]{30,}", "AIza"),
    _token("a Google token", r"(?:ya29\.|GOCSPX-|1//0)[A-Za-z0-9_-]{16,}", "ya29.", "GOCSPX-", "1//0"),
    _token("a Slack token", r"xox[abceoprs]-[A-Za-z0-9-]{10,}", "xox"),
    _token("a Slack token", r"xapp-[0-9]-[A-Za-z0-9-]{10,}", "xapp-"),
    _token("a Hugging Face token", r"(?:hf|api_org)_[A-Za-z0-9]{24,}", "hf_", "api_org_"),
    _token("a Stripe key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}", "k_live_", "k_test_"),
    _token("a signing secret", r"whsec_[A-Za-z0-9+/=]{16,}", "whsec_"),
    _token("a package registry token", r"npm_[A-Za-z0-9]{30,}", "npm_"),
    _token("a package registry token", r"pypi-AgE[A-Za-z0-9_-]{40,}", "pypi-AgE"),
    _token("a SendGrid key", r"SG\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]{16,})?", "SG."),
    _token("a Mailgun key", r"key-[0-9a-f]{32}(?![A-Za-z0-9])", "key-"),
    _token("a Twilio key", r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])", "SK", "AC"),
    _token("a Databricks token", r"dapi[0-9a-f]{32}", "dapi"),
    _token("a DigitalOcean token", r"do[opr]_v1_[0-9a-f]{32,}", "_v1_"),
    _token("a Telegram token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}", ":AA"),
    _token("a Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", "shp"),
    _token("a Linear, Notion or Figma token", r"(?:lin_api_|ntn_|secret_|figd_)[A-Za-z0-9_-]{30,}",
           "lin_api_", "ntn_", "secret_", "figd_"),
    _token("an age key", r"AGE-SECRET-KEY-1[0-9A-Z]{20,}", "AGE-SECRET-KEY-1"),
    _token("a Vault token", r"hv[sbr]\.[A-Za-z0-9_-]{20,}", "hvs.", "hvb.", "hvr."),
    _token("a JSON web token", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", "eyJ"),
    _token("a JSON web token", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{0,800}\.[A-Za-z0-9_-]{8,}", "eyJ"),
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
    """The shapes of which the text has a word that they need."""
    folded = text.casefold()
    found = []
    for shape in SHAPES:
        within = folded if shape.folded else text
        for word in shape.needs:
            if word in within:
                found.append(shape)
                break
    return found


def _group(shape: Shape) -> str | int:
    return "secret" if "secret" in shape.pattern.groupindex else 0


def _fits(shape: Shape, match: re.Match[str]) -> bool:
    return not shape.random or looks_random(match.group(_group(shape)))
