"""Numbers as people and models write them, in one spelling. Not where in an answer the number stands.

Understood: signs, thousands commas, decimals, fractions, exponents of two digits, and LaTeX for the same.
Currency and percent signs are dropped, as the usual graders of GSM8K and MATH do. All patterns are linear
in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

MAX_DIGITS = 60
"""What has more digits, as it stands or when spelled out, is not read as a number."""

_SIGN = "-+\u2212"
_CURRENCY = "$€£¥"
_NUMBER = re.compile(
    rf"(?<![A-Za-z])(?:(?<![\w)\]}}])[{_SIGN}][ ]?)?(?:[{_CURRENCY}][{_SIGN}]?)?"
    r"(?:\d[\d,]*+(?:\.\d++)?|\.\d++)(?:[eE][-+]?\d{1,2}(?![\w.]))?(?:[ ]?/[ ]?\d++(?![/.]?\d))?"
)
_WHOLE = re.compile(
    rf"(?P<sign>[{_SIGN}]?)[ ]?[{_CURRENCY}]?[ ]?(?P<second>[{_SIGN}]?)"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d*)(?:\.(?P<part>\d*))?(?:[eE](?P<exponent>[-+]?\d{1,2}))?"
    rf"(?:[ ]?/[ ]?(?P<below>\d+))?[ ]?[%{_CURRENCY}]?\.?"
)
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]{1,60})\}\{([^{}]{1,60})\}|\\[dt]?frac(\d)(\d)")
_WORDS = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox)\{([^{}]*)\}")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|[!,;: ])|\\(?=[$%])|\^(?:\\circ|\{\\circ\})")


def canonical_number(text: str) -> str | None:
    """The number that the whole text is, or None: "1,000" → "1000", "0.50" and "2/4" → "0.5", "1/3" → "1/3".

    A number whose decimals end is written as a decimal, every other one as a reduced fraction.
    """
    text = without_latex(text)
    match = _WHOLE.fullmatch(text) if len(text) <= 2 * MAX_DIGITS else None
    if match is None:
        return None
    sign, second, whole, part, exponent, below = match.groups()
    digits = (whole or "").replace(",", "") + (part or "")
    if not digits or len(digits) + len(below or "") > MAX_DIGITS or (sign and second):
        return None
    value = Fraction(int(digits), 10 ** len(part or "")) * Fraction(10) ** int(exponent or 0)
    if below is not None:
        if not int(below):
            return None
        value /= int(below)
    spelled = _spelled(-value if (sign or second) in ("-", "\u2212") else value)
    return spelled if sum(map(str.isdigit, spelled)) <= MAX_DIGITS else None


def numbers_in(text: str, *, backwards: bool = False) -> Iterator[str]:
    """The numbers in the text, in order or from the last to the first, in canonical spelling."""
    step = -1 if backwards else 1
    for token in _NUMBER.findall(without_latex(text))[::step]:
        whole = canonical_number(token.rstrip(","))
        parts = [whole] if whole is not None else map(canonical_number, token.split(",")[::step])
        yield from (part for part in parts if part is not None)


def without_latex(text: str) -> str:
    """The text with LaTeX for fractions and layout replaced by what it means, and without $ around it."""
    text = text.strip()
    if "\\" in text or "^" in text:
        text = _LAYOUT.sub("", text)
        text = _FRACTION.sub(lambda found: "/".join(part for part in found.groups() if part), text)
        text = _WORDS.sub("", text).strip() or _WORDS.sub(r"\1", text).strip()
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    return text


def _spelled(value: Fraction) -> str:
    rest, places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest //= prime
            power += 1
        places = max(places, power)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
