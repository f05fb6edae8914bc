"""What the user asks for: variables, and a `Staticfile` as Cloud Foundry and Railpack read it; variables win."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pybuild.libcnb.app_files import AppFiles
from static import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATICFILE = "Staticfile"
FILES = AppFiles(1, errors.too_large)

_TRUE = ("true", "1", "yes", "on", "enabled", "visible")
_FALSE = ("false", "0", "no", "off", "disabled", "")
_LINE = re.compile(r"(?P<indent>\s*)(?P<key>[A-Za-z0-9_-]+)\s*:\s*(?P<value>.*)")

# The keys of a Staticfile that we follow, and the variable that says the same.
_SAME = {
    "root": "BP_WEB_SERVER_ROOT",
    "pushstate": "BP_WEB_SERVER_ENABLE_PUSH_STATE",
    "force_https": "BP_WEB_SERVER_FORCE_HTTPS",
    "directory": "BP_STATIC_LISTING",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`root`: the folder asked for, empty to look for one; `root_from`: who asks. `single_page`: index.html answers for
    unknown addresses. `listing`: folders without index.html show their files. `error_pages`: status → address.
    `location`: the path that the site is at, such as `/docs`, empty for the top. `needs_login`: it starts with a list of
    users only. `env_js`: `env.js` has variables of the container.
    """

    root: str = ""
    root_from: str = ""
    single_page: bool = False
    force_https: bool = False
    listing: bool = False
    error_pages: Mapping[int, str] = field(default_factory=dict)
    location: str = ""
    needs_login: bool = False
    env_js: bool = False

    @classmethod
    def read(cls, environ: Mapping[str, str], app: Path) -> Self:
        """From the build's variables and the app's Staticfile. Raises a `Problem`."""
        file = _staticfile(app / STATICFILE)
        asked = {
            variable: (environ.get(variable, "").strip() or file.get(key, ""), variable)
            for key, variable in _SAME.items()
        }
        root, _ = asked["BP_WEB_SERVER_ROOT"]
        return cls(
            root=root,
            root_from="BP_WEB_SERVER_ROOT" if environ.get("BP_WEB_SERVER_ROOT", "").strip() else STATICFILE,
            single_page=_flag(*asked["BP_WEB_SERVER_ENABLE_PUSH_STATE"]),
            force_https=_flag(*asked["BP_WEB_SERVER_FORCE_HTTPS"]),
            listing=_flag(*asked["BP_STATIC_LISTING"]),
            error_pages={**_error_pages(file), **_pairs(environ.get("BP_STATIC_ERROR_PAGES", ""))},
            location=_location(environ.get("BP_WEB_SERVER_LOCATION_PATH", "").strip()),
            needs_login=_flag(environ.get("BP_STATIC_LOGIN", "").strip(), "BP_STATIC_LOGIN"),
            env_js=_flag(environ.get("BP_STATIC_ENV_JS", "").strip(), "BP_STATIC_ENV_JS"),
        )


def _flag(text: str, variable: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise errors.no_flag(variable, text)


def _location(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    if not all(re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", part) for part in parts):
        raise errors.bad_location(text)
    return "".join(f"/{part}" for part in parts)


def _pairs(text: str) -> dict[int, str]:
    """`404=/404.html,410=/gone.html` as a table."""
    found = {}
    for word in re.split(r"[,\s]+", text.strip()):
        if word:
            status, separator, address = word.partition("=")
            if not separator:
                raise errors.bad_error_page(word)
            found[_status(status, word)] = _address(address, word)
    return found


def _error_pages(file: Mapping[str, str]) -> dict[int, str]:
    prefix = "status_codes."
    return {
        _status(key.removeprefix(prefix), f"{key}: {value}"): _address(value, f"{key}: {value}")
        for key, value in file.items()
        if key.startswith(prefix)
    }


def _status(text: str, place: str) -> int:
    if not re.fullmatch(r"[45]\d\d", text):
        raise errors.bad_error_page(place)
    return int(text)


def _address(text: str, place: str) -> str:
    if not re.fullmatch(r"/?[A-Za-z0-9._~/-]+", text):
        raise errors.bad_error_page(place)
    return f"/{text.lstrip('/')}"


def _staticfile(path: Path) -> dict[str, str]:
    """The file's `key: value` lines; those below `status_codes:` as `status_codes.404`."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    above = ""
    for number, raw in enumerate(FILES.text(path).splitlines(), 1):
        if not raw.split("#", 1)[0].strip() or raw.strip() == "---":
            continue
        line = _LINE.fullmatch(raw.split(" #", 1)[0].rstrip())
        if not line:
            raise errors.bad_staticfile(number, raw.strip())
        value = line["value"].strip().strip("\"'")
        key = f"{above}.{line['key']}" if line["indent"] and above else line["key"]
        if not line["indent"]:
            above = line["key"] if not value else ""
            if line["key"] not in (*_SAME, "status_codes"):
                raise errors.unknown_key(number, line["key"], (*_SAME, "status_codes"))
        found[key] = value
    return found
