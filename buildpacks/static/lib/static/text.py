"""Texts of a user in nginx's configuration: quoted so that none of it is read as more configuration."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

# nginx has no escape for a dollar sign; the configuration defines this variable as one.
DOLLAR = "${dollar}"
# What stands for itself in an address, by RFC 3986, and the sign that says of others that they are encoded.
_ADDRESS = "/%:@!$&'()*+,;=~-._?#[]"
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\"\\{}^`|<>]")


def quoted(text: str) -> str:
    """Any text as one word of the configuration that means just this text, where nginx expands variables."""
    return f'"{_escaped(text).replace("$", DOLLAR)}"'


def key(text: str) -> str:
    """Any text as the left side in a `map`, where nginx expands nothing."""
    return f'"{_escaped(text)}"'


def literal(text: str) -> str:
    """A text as a part of a regular expression that matches just it: classes, as nginx itself reads backslashes."""
    return "".join(char if char.isalnum() or char in "/-_~%,=@:;!&'" else f"[{char}]" for char in text)


def encoded(address: str) -> str:
    """An address as browsers send it: what is no ASCII is percent-encoded."""
    return quote(address, safe=_ADDRESS)


def decoded(address: str) -> str:
    """An address as a file's name."""
    return unquote(address)


def is_plain(address: str) -> bool:
    """Whether an address has only characters that addresses have, once decoded too."""
    return not _FORBIDDEN.search(address) and not re.search(r"[\x00-\x1f\x7f\"\\^{}$]", decoded(address))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
