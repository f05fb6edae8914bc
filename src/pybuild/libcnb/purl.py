"""Package URLs: one name for a package that every scanner understands.

Specification: https://github.com/package-url/purl-spec (purl-types); spelled as packageurl-python spells them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def purl(
    kind: str,
    name: str,
    version: str = "",
    *,
    namespace: str = "",
    qualifiers: Mapping[str, str] | None = None,
) -> str:
    """`pkg:kind/namespace/name@version?qualifiers`, everything percent-encoded, qualifiers sorted, empty parts left out."""
    path = "/".join(_encoded(part) for part in (*namespace.split("/"), name) if part)
    query = "&".join(f"{key}={_encoded(text)}" for key, text in sorted((qualifiers or {}).items()) if text)
    return (
        f"pkg:{kind}/{path}" + (f"@{_encoded(version)}" if version else "") + (f"?{query}" if query else "")
    )


def deb(name: str, version: str, *, distro: str, qualifiers: Mapping[str, str] | None = None) -> str:
    """A Debian package. `distro`: debian or ubuntu. Qualifiers: `arch`, `distro`, `upstream`."""
    return purl("deb", name, version, namespace=distro, qualifiers=qualifiers)


def pypi(name: str, version: str) -> str:
    """A Python distribution, whatever way its name is written."""
    return purl("pypi", re.sub(r"_", "-", name).lower(), version)


def npm(name: str, version: str) -> str:
    """An npm package; `@scope/name` for one in a scope."""
    scope, _, last = name.rpartition("/")
    return purl("npm", last.lower(), version, namespace=scope)


def golang(module: str, version: str) -> str:
    """A Go module by its path. Its capitals are kept, as Go itself and scanners do."""
    parent, _, last = module.rpartition("/")
    return purl("golang", last, version, namespace=parent)


def maven(group: str, artifact: str, version: str, *, qualifiers: Mapping[str, str] | None = None) -> str:
    """A Maven artifact. Qualifiers: `type`, `classifier`."""
    return purl("maven", artifact, version, namespace=group, qualifiers=qualifiers)


def gem(name: str, version: str, *, platform: str = "") -> str:
    """A Ruby gem; `platform` where it is not `ruby`, as in x86_64-linux."""
    return purl("gem", name, version, qualifiers={"platform": platform})


def cargo(name: str, version: str) -> str:
    """A Rust crate."""
    return purl("cargo", name, version)


def composer(name: str, version: str) -> str:
    """A Composer package: `vendor/name`."""
    vendor, _, last = name.lower().rpartition("/")
    return purl("composer", last, version, namespace=vendor)


def generic(name: str, version: str, *, qualifiers: Mapping[str, str] | None = None) -> str:
    """Something that is in no registry, such as the app itself."""
    return purl("generic", name, version, qualifiers=qualifiers)


def _encoded(text: str) -> str:
    # JSON may hold half a character, which no URL can: a question mark stands for it.
    return quote(text, safe=":", errors="replace")
