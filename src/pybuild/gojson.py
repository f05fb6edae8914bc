"""JSON as Go's encoding/json writes it, byte for byte: image configurations, manifests and labels are hashed as text.

Reading is bounded: size, nesting and number length are checked, so that a hostile label or manifest ends in an
`InvalidFile` and never in a crash.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Self

from pybuild.errors import InvalidFile

MAX_BYTES = 4 << 20
MAX_DEPTH = 200

_ESCAPES = {
    **{chr(code): f"\\u{code:04x}" for code in (*range(0x20), 0x2028, 0x2029, *map(ord, "<>&"))},
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    '"': '\\"',
    "\\": "\\\\",
}
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Struct(dict[str, Any]):
    """A mapping whose keys keep their order in text, as the fields of a Go struct do; other mappings are sorted."""


class PreciseDatetime(datetime):
    """A datetime that remembers its nanoseconds, so that they survive being read and written."""

    nanosecond: int

    @classmethod
    def at(cls, moment: datetime, nanosecond: int) -> Self:
        """`moment` with `nanosecond` (0 to 999,999,999) for its fraction."""
        fields = (*moment.timetuple()[:6], nanosecond // 1000, moment.tzinfo)
        precise = cls(*fields)
        precise.nanosecond = nanosecond
        return precise


def dumps(value: object, *, sort_keys: bool = True) -> str:
    """`value` as compact text. Mappings are sorted by key, except `Struct`s and, without `sort_keys`, all others.

    Datetimes are RFC 3339; local ones are taken for UTC. Raises `ValueError` for NaN and infinity, as Go does.
    """
    parts: list[str] = []
    _write(value, sort_keys, parts.append)
    return "".join(parts)


def loads(text: str | bytes, *, where: str, limit: int = MAX_BYTES) -> Any:
    """The value of one JSON document of `limit` bytes at most; `where` names it in the `InvalidFile` of a bad one."""
    if len(text) > limit:
        raise InvalidFile(f"{where}: larger than {limit} bytes")
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        _check_depth(text, where)
        value = json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_refuse)
    except UnicodeDecodeError as exc:
        raise InvalidFile(f"{where}: not UTF-8 at byte {exc.start}") from exc
    except json.JSONDecodeError as exc:
        raise InvalidFile(f"{where}: not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidFile(f"{where}: not JSON that can be read: {exc}") from exc
    return _without_surrogates(value) if "\\u" in text else value


def timestamp(value: datetime | date | time) -> str:
    """RFC 3339 with the fraction's trailing zeros cut, `Z` for UTC; a local date or time stays one."""
    if not isinstance(value, datetime | time):
        return value.isoformat()
    text = value.isoformat(timespec="seconds")
    nanos = value.nanosecond if isinstance(value, PreciseDatetime) else value.microsecond * 1000
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    seconds = 19 if isinstance(value, datetime) else 8
    zone = text[seconds:]
    return text[:seconds] + fraction + ("Z" if zone == "+00:00" else zone)


def _write(value: object, sort_keys: bool, put: Any) -> None:
    if isinstance(value, str):
        put(_quoted(value))
    elif value is None:
        put("null")
    elif isinstance(value, bool):
        put("true" if value else "false")
    elif isinstance(value, int):
        put(str(value))
    elif isinstance(value, float):
        put(_number(value))
    elif isinstance(value, Mapping):
        pairs = value.items() if isinstance(value, Struct) or not sort_keys else sorted(value.items())
        before = "{"
        for key, item in pairs:
            put(f"{before}{_quoted(key)}:")
            _write(item, sort_keys, put)
            before = ","
        put("{}" if before == "{" else "}")
    elif isinstance(value, list | tuple):
        before = "["
        for item in value:
            put(before)
            _write(item, sort_keys, put)
            before = ","
        put("[]" if before == "[" else "]")
    elif isinstance(value, datetime | date | time):
        put(f'"{_moment(value)}"')
    else:
        raise TypeError(f"{type(value).__name__} has no JSON form")


def _quoted(text: str) -> str:
    # Go writes every byte that is not UTF-8 as this escape; such bytes are lone surrogates here.
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0], "\\ufffd"), text) + '"'


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no JSON form")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, point = decimal_digits(value)
    if not 1e-6 <= abs(value) < 1e21:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


def decimal_digits(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits that read back as `value`, and where the point stands: 0.0125 is ("", "125", -1)."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return "-" if math.copysign(1, value) < 0 else "", digits.rstrip("0") or "0", point


def _moment(value: datetime | date | time) -> str:
    # Go has no local types outside its TOML package: they become moments of the process' zone, for us UTC.
    if isinstance(value, datetime):
        return timestamp(value) if value.tzinfo else timestamp(value) + "Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return f"0000-01-01T{timestamp(value)}Z"


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for found in _BRACKET.finditer(text):
        if found[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidFile(f"{where}: nested deeper than {MAX_DEPTH} levels")
        elif found[0] in "]}":
            depth -= 1


def _whole(text: str) -> int | float:
    # No integer has this sign; what reads a label's data into floating point numbers keeps it.
    return -0.0 if text == "-0" else int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is too large for a number")
    return value


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _without_surrogates(item) for key, item in value.items()}
    return value
