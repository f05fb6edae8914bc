"""What the user wants written on the image: labels of its configuration, annotations of its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.platform.outputs import Output

_LONGEST = 64 << 10
# What later builds, rebases and other tools believe of an image; `lifecycle.export` keeps buildpacks from it, too.
_OURS = ("io.buildpacks.",)


def read_labels(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`NAME=VALUE` words as pairs, the last of a name. Raises `InvalidInput` for one that cannot be."""
    found = _pairs(words, "--label")
    for name in found:
        if name.startswith(_OURS):
            raise InvalidInput(
                f"--label {name!r} cannot be set: what begins with {_OURS[0]} is the lifecycle's to say",
                hint="--label org.opencontainers.image.source=https://git.example.com/app",
            )
    return tuple(found.items())


def read_annotations(words: Sequence[str], outputs: Sequence[Output]) -> tuple[tuple[str, str], ...]:
    """The same for annotations, which an engine cannot keep: only a manifest has them."""
    found = _pairs(words, "--annotation")
    if found and not any(output.kind in ("registry", "oci", "oci-archive") for output in outputs):
        raise InvalidInput(
            "--annotation is for manifests, which an engine and a docker-archive do not keep",
            hint="--publish, --output type=oci-archive,dest=app.tar, or --label",
        )
    return tuple(found.items())


def _pairs(words: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not name.isprintable() or " " in name or len(word) > _LONGEST:
            raise InvalidInput(f"{option} {word[:80]!r} is not NAME=VALUE", hint=f"{option} version=1.2")
        found[name] = value
    return found
