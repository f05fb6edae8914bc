"""Blobs of a registry: read and verified, continued where a connection broke; sent only if they are missing.

Specification: OCI distribution-spec, "Pulling blobs", "Pushing blobs" (mounting, chunked, resumed).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pybuild.errors import RegistryError
from pybuild.events import detail
from pybuild.stores.exchange import Broken, Content, Refused, Tries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pybuild.stores.exchange import Answer
    from pybuild.stores.transport import Transport

_PROGRESS = 1 << 20  # bytes after which a broken connection does not count as a try for nothing
_OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository of a registry."""

    transport: Transport
    repository: str

    @property
    def path(self) -> str:
        """Of its API."""
        return f"/v2/{self.repository}"

    @property
    def pull(self) -> tuple[str, ...]:
        """The scopes for reading."""
        return (f"repository:{self.repository}:pull",)

    @property
    def push(self) -> tuple[str, ...]:
        """The scopes for writing."""
        return (f"repository:{self.repository}:pull,push",)

    @property
    def registry(self) -> str:
        """Its host."""
        return self.transport.registry


class NotWhatItSays(RegistryError):
    """A blob whose content does not have its digest."""


class Source(Protocol):
    """Where a blob's bytes can be had, from any byte on, as often as needed."""

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """From byte `start` on."""
        ...


@dataclass(frozen=True, slots=True)
class Bytes:
    """A source that is at hand."""

    content: bytes

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """From byte `start` on."""
        yield self.content[start:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Something to be in a repository. `held`: where it is already, if anywhere; `source`: its content."""

    digest: str
    size: int
    source: Source
    held: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A blob in some repository, as a source."""

    place: Place
    digest: str
    size: int

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Verified only from the start on; the registry that it goes to verifies it in any case."""
        return read(self.place, self.digest, self.size, start=start)


def read(place: Place, digest: str, size: int, *, start: int = 0) -> Iterator[bytes]:
    """The blob from byte `start` on, exactly `size` bytes in all and, from 0 on, of that digest.

    Continues where a connection broke off (F-09). Raises `RegistryError` for other content, at its end (S-41).
    """
    transport = place.transport
    tries = Tries(transport.patience, transport.stop)
    sha, done = hashlib.sha256(), start
    while done < size:
        headers = {"Range": f"bytes={done}-"} if done else {}
        began = done
        try:
            with transport.stream(
                f"{place.path}/blobs/{digest}", scopes=place.pull, headers=headers, expect=(200, 206)
            ) as found:
                # A registry that knows no ranges begins anew.
                skip = done if found.status == 200 else 0
                if found.length not in (None, skip + size - done):
                    raise Broken(
                        f"{place.registry} sends {found.length} bytes of {digest}, expected {size - done}"
                    )
                for piece in found.pieces(skip + size - done):
                    piece, skip = piece[skip:], max(skip - len(piece), 0)
                    if piece:
                        sha.update(piece)
                        done += len(piece)
                        yield piece
            if done < size:
                raise Broken(f"the blob {digest} of {place.registry} ended after {done} of {size} bytes")
        except Broken as exc:
            if done - began > _PROGRESS:
                tries.progressed()
            tries.again(exc)
    if start == 0 and f"sha256:{sha.hexdigest()}" != digest:
        raise NotWhatItSays(
            f"{place.registry} gave other content for the blob {digest} of {place.repository}"
        )


def exists(place: Place, digest: str) -> bool:
    """Whether the repository has the blob."""
    answer = place.transport.ask("HEAD", f"{place.path}/blobs/{digest}", scopes=place.push, expect=(200, 404))
    return answer.status == 200


def ensure(place: Place, blob: Blob) -> int:
    """Have the repository hold the blob: nothing if it does, by a mount where the registry has it elsewhere.

    Returns the bytes that were sent.
    """
    if exists(place, blob.digest):
        return 0
    tries = Tries(place.transport.patience, place.transport.stop)
    while True:
        try:
            return _upload(place, blob, tries)
        except Broken as exc:
            tries.again(exc)
            if exists(place, blob.digest):  # the answer was lost, not the blob
                return blob.size


def may_push(place: Place) -> None:
    """Raise `RegistryDenied` if this user may not write there: begins an upload, and takes it back."""
    opened = place.transport.ask(
        "POST", f"{place.path}/blobs/uploads/", scopes=place.push, expect=(200, 201, 202), limit=1 << 16
    )
    try:
        location = _location(place, opened)
        place.transport.ask(
            "DELETE",
            location,
            scopes=place.push,
            expect=(200, 202, 204, 404, 405),
            limit=1 << 16,
            retry=False,
        )
    except RegistryError as exc:
        detail(f"an upload that was begun to see whether it may be stays open for a while: {exc}")


def _upload(place: Place, blob: Blob, tries: Tries) -> int:
    """One upload from its beginning, continued as often as the registry lets us."""
    opened = _open(place, blob)
    if opened.status == 201:
        detail(f"{blob.digest} mounted from {blob.held.repository if blob.held else 'elsewhere'}")
        return 0
    location, done = _location(place, opened), 0
    while done < blob.size:
        try:
            location, done = _patch(place, location, blob, done), blob.size
        except (Broken, Refused) as exc:
            if isinstance(exc, Refused) and exc.status not in (404, 416):
                raise
            tries.again(exc if isinstance(exc, Broken) else Broken(str(exc)))
            resumed = _resumed(place, location)
            if resumed is None:
                return _upload(place, blob, tries)
            location, done = resumed
    return _commit(place, location, blob)


def _patch(place: Place, location: str, blob: Blob, start: int) -> str:
    """Send all from byte `start` on; returns where to go on."""
    headers = dict(_OCTETS)
    if start:
        headers["Content-Range"] = f"{start}-{blob.size - 1}"
    body = Content(blob.size - start, lambda: blob.source.pieces(start))
    answer = place.transport.ask(
        "PATCH",
        location,
        scopes=place.push,
        headers=headers,
        body=body,
        expect=(200, 201, 202, 204),
        retry=False,
    )
    return _location(place, answer)


def _open(place: Place, blob: Blob) -> Answer:
    """A new upload (202), or the blob mounted (201) from another repository of the same registry."""
    path, held = f"{place.path}/blobs/uploads/", blob.held
    if held is not None and held.registry == place.registry and held.repository != place.repository:
        query = urlencode({"mount": blob.digest, "from": held.repository})
        try:
            return place.transport.ask(
                "POST", f"{path}?{query}", scopes=(*place.push, *held.pull), expect=(201, 202)
            )
        except RegistryError as exc:
            if isinstance(exc, Broken):
                raise
            detail(f"{blob.digest} cannot be mounted: {exc}")
    return place.transport.ask("POST", path, scopes=place.push, expect=(202,))


def _resumed(place: Place, location: str) -> tuple[str, int] | None:
    """Where to go on, and from which byte; None if the registry has forgotten the upload."""
    try:
        answer = place.transport.ask("GET", location, scopes=place.push, expect=(204,))
    except Refused:
        return None
    found = re.fullmatch(r"(?:bytes=)?0-(\d{1,18})", answer.headers.get("range", ""))
    if found is None:
        return None
    last = int(found[1])
    # "0-0" is also what some say of an upload that has nothing yet: the first byte is sent again.
    return _location(place, answer) if "location" in answer.headers else location, last + 1 if last else 0


def _commit(place: Place, location: str, blob: Blob) -> int:
    parts = urlsplit(location)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("digest", blob.digest)])
    try:
        place.transport.ask(
            "PUT",
            urlunsplit(parts._replace(query=query)),
            scopes=place.push,
            headers=_OCTETS,
            expect=(201, 204),
        )
    except Refused as exc:
        # After a lost answer the upload is gone because it was completed.
        if exc.status != 404 or not exists(place, blob.digest):
            raise
    return blob.size


def _location(place: Place, answer: Answer) -> str:
    location: Any = answer.headers.get("location", "")
    if not location:
        raise RegistryError(f"{place.registry} does not say where to send a blob")
    return place.transport.checked(answer.url, location)
