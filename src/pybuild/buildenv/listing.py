"""A `Listing` made from what lstat said: order and stamp, the same in every build environment."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Entry, Listing

if TYPE_CHECKING:
    from collections.abc import Iterable


def listing(root: str, entries: Iterable[Entry]) -> Listing:
    """`entries` in the order of their paths' bytes, with the stamp over all of them."""
    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.path))
    digest = hashlib.sha256()
    for entry in ordered:
        digest.update(_line(entry))
    return Listing(root, tuple(ordered), digest.hexdigest())


def _line(entry: Entry) -> bytes:
    numbers = (
        f"{entry.kind} {entry.mode:o} {entry.uid} {entry.gid} {entry.size} "
        f"{entry.mtime} {entry.ctime} {entry.inode} {entry.links}"
    )
    # NUL stands in no path and no symlink's text, so two different trees never give the same bytes.
    return b"\0".join((os.fsencode(entry.path), numbers.encode(), os.fsencode(entry.target), b"\n"))
