"""What is known of each file of the site: a mark of its content, and whether its name changes with it.

Files of an image all have the same date, so nginx's own marks say that nothing ever changes.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 20_000
# Longer ones do not fit into nginx's table.
LONGEST = 400

# Where builders put files whose name has a hash of their content: Astro, Next.js, SvelteKit, Nuxt, Create React App.
_BUILT = re.compile(r"/(?:_astro|_next/static|_app/immutable|_nuxt|static/(?:js|css|media))/")
_ENDING = re.compile(
    r"(?:\.(?:chunk|min|bundle|module))*\.(?:m?js|css|map|wasm|woff2?|ttf|svg|png|jpe?g|webp|avif|gif|ico|mp4|webm)$"
)
_HEX = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}")
_CAPITALS = re.compile(r"(?=.*[0-9])(?=.*[A-Z])[0-9A-Z]{8,64}")
_MIXED = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*.[A-Z])[0-9A-Za-z_-]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`address`: from the first slash. `mark`: 16 hexadecimal digits. `immutable`: other content gets another name."""

    address: str
    mark: str
    immutable: bool

    @property
    def addresses(self) -> Iterator[str]:
        """All addresses that are answered by this file."""
        yield self.address
        if self.address.endswith("/index.html"):
            yield self.address.removesuffix("index.html")
        elif self.address.endswith(".html"):
            yield self.address.removesuffix(".html")


def read(root: Path) -> tuple[File, ...]:
    """The files below `root`, hidden ones left out, by address; none when there are more than nginx should look up."""
    found = []
    for path in _walk(root):
        address = f"/{path.relative_to(root)}"
        if len(os.fsencode(address)) <= LONGEST and address.isprintable():
            found.append(File(address=address, mark=_mark(path), immutable=is_immutable(address)))
        if len(found) > MOST:
            return ()
    return tuple(found)


def is_immutable(address: str) -> bool:
    """Whether a name carries a hash of the content, as builders of front ends give it."""
    stem = _ENDING.sub("", address)
    if stem == address:
        return False
    last = re.split(r"[.-]", stem.rsplit("/", 1)[-1])[-1]
    tail = stem[-8:]
    if _BUILT.search(address):
        return len(last) >= 8 or stem[-9:-8] in (".", "-")
    return bool(
        (last != stem.rsplit("/", 1)[-1] and (_HEX.fullmatch(last) or _CAPITALS.fullmatch(last)))
        or (stem[-9:-8] in (".", "-") and _MIXED.fullmatch(tail))
    )


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _mark(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
