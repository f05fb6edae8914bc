"""Image names: what a user types, completed by Docker's rules.

Grammar: distribution's reference package, as the Docker Engine applies it; OCI distribution-spec, "Pulling manifests".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from pybuild.errors import InvalidReference
from pybuild.oci.digest import is_digest

DOCKER_HUB = "docker.io"
_HUB_FOLDER = "index.docker.io"  # what Go's libraries call Docker Hub
EXAMPLE = "example: registry.example.com/team/my-app:1.0"

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 255
_LOGIN = re.compile(r"^((?:docker://)?[^/@:]*:)[^/@]+(@[^/]+/)")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reference:
    """A complete image name. `tag` is "" only when there is a `digest`, and `digest` when there is none."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name as the docker command does: `myapp` is `docker.io/library/myapp:latest`.

        Raises `InvalidReference`, which names the part and the character that is wrong.
        """
        name, tag, digest = _cut(text)
        registry, repository = _located(name)
        if REGISTRY.fullmatch(registry) is None:
            raise _wrong(text, f"{_shown(registry)} is no registry's host name or host:port")
        for component in repository.split("/"):
            _check_component(text, component)
        if len(registry) + 1 + len(repository) > _LONGEST:
            raise _wrong(text, f"it is longer than {_LONGEST} characters")
        return cls(registry=registry, repository=repository, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """Complete and unambiguous: `docker.io/library/myapp:latest`."""
        return f"{self.registry}/{self.repository}{self._suffix}"

    @property
    def familiar(self) -> str:
        """As the Docker Engine lists it: `myapp:latest`."""
        return self.familiar_repository + self._suffix

    @property
    def familiar_repository(self) -> str:
        """Without tag and digest: `myapp`, `team/my-app`, `registry.example.com/my-app`."""
        if self.registry != DOCKER_HUB:
            return f"{self.registry}/{self.repository}"
        first, slash, rest = self.repository.partition("/")
        return rest if first == "library" and slash and "/" not in rest else self.repository

    @property
    def full_repository(self) -> str:
        """Without tag and digest, unambiguous: `docker.io/library/myapp`."""
        return f"{self.registry}/{self.repository}"

    @property
    def layout_path(self) -> str:
        """Where its image is below a folder of layouts: platform.md, "Map an image reference to a path" (GEN-11)."""
        registry = _HUB_FOLDER if self.registry == DOCKER_HUB else self.registry
        return f"{registry}/{self.repository}/{self.digest.replace(':', '/') or self.tag}"

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.familiar


def _cut(text: str) -> tuple[str, str, str]:
    """Name, tag and digest of a text; the tag is "latest" where neither is given."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _wrong(text, f"after @ stands {digest[:80]!r} instead of sha256: and 64 hexadecimal digits")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "" if digest else "latest", digest
    if _TAG.fullmatch(tag) is None:
        raise _wrong(text, f"the tag {_shown(tag)} {_fault(tag, 'A-Za-z0-9_.-', most=128)}")
    return head, tag, digest


def _located(name: str) -> tuple[str, str]:
    """The registry and the repository in it. What stands before the first slash is a host if it looks like one."""
    first, slash, rest = name.partition("/")
    if not slash or not (re.search(r"[.:]", first) or first == "localhost" or first != first.lower()):
        first, rest = DOCKER_HUB, name
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _check_component(text: str, component: str) -> None:
    if _COMPONENT.fullmatch(component) is None:
        raise _wrong(text, f"its part {_shown(component)} {_fault(component, 'a-z0-9._-', most=_LONGEST)}")
    if re.fullmatch(r"[0-9a-f]{64}", text):
        raise _wrong(text, "64 hexadecimal digits are an image's id, not a name")


def _fault(part: str, allowed: str, *, most: int) -> str:
    """What is wrong with a part of a name, as the end of a sentence."""
    if not part:
        return "is empty"
    upper = re.search(r"[A-Z]", part) if "A-Z" not in allowed else None
    if strange := re.search(f"[^A-Z{allowed}]", part):
        return f"has the character {strange[0]!r}; letters, digits and . _ - are allowed"
    if upper:
        return f"has the capital letter {upper[0]!r}: write {_shown(part.lower())}"
    if len(part) > most:
        return f"is longer than {most} characters"
    return "must begin and end with a letter or digit, with one . or _ or some - between two of them"


def _shown(part: str) -> str:
    return repr(part if len(part) <= 80 else part[:80] + "…")


def _wrong(text: str, why: str) -> InvalidReference:
    # What somebody took for a place for a login is shown to nobody.
    said = _LOGIN.sub(r"\1***\2", text)
    return InvalidReference(f"{_shown(said)} is no image name: {why}", hint=EXAMPLE)
