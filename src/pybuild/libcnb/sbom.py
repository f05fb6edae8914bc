"""A layer's bill of materials: components in, the three files that the specification knows out.

Buildpack API, "Software-Bill-of-Materials": `<layer>.sbom.{cdx,spdx,syft}.json` beside the layer; `launch.sbom.…` and
`build.sbom.…` for what is in no layer. The same components make the same bytes, whenever and wherever they are written:
no clock, no random serial number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from pybuild.libcnb import cyclonedx, spdx, syft

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["library", "application", "framework", "operating-system", "file"]

FORMATS = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.syft+json")
"""What a buildpack that uses this declares as `sbom-formats` in its buildpack.toml."""

ENDINGS = ("cdx.json", "spdx.json", "syft.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing in a layer. `purl` is a package URL and identifies it; `libcnb.purl` makes them.

    `licences`: SPDX identifiers or expressions, or whatever the package calls them. `hashes`: hexadecimal digest by
    algorithm, as in `{"SHA-256": "…"}`. `publisher`: a person or an organisation. `where`: the file that names it,
    relative to the layer, such as `lib/python3.11/site-packages/x.dist-info/METADATA`.
    """

    name: str
    version: str
    purl: str
    type: Kind = "library"
    licences: tuple[str, ...] = ()
    cpe: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    publisher: str = ""
    homepage: str = ""
    where: str = ""

    @property
    def website(self) -> str:
        """The homepage where it is an address; people write other things there too."""
        return self.homepage if re.fullmatch(r"https?://[!-~]+", self.homepage) else ""


def _as_text(component: Component) -> Component:
    """The same in characters that a document can have: JSON may hold halves of them, and a file's name any bytes."""
    texts: dict[str, Any] = {
        each.name: _encodable(value)
        for each in fields(component)
        if isinstance(value := getattr(component, each.name), str)
    }
    return replace(component, **texts, licences=tuple(map(_encodable, component.licences)))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def documents(subject: str, components: Iterable[Component]) -> dict[str, str]:
    """The texts of the three documents by the ending of their files; `subject` names what they are about.

    Components are sorted by package URL; of two with the same one the last counts.
    """
    unique = {component.purl: _as_text(component) for component in components}
    ordered = tuple(unique[purl] for purl in sorted(unique))
    return {
        "cdx.json": cyclonedx.document(ordered),
        "spdx.json": spdx.document(subject, ordered),
        "syft.json": syft.document(subject, ordered),
    }
