"""What `make lifecycle` makes, made anew from this tree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="session")
def lifecycle_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive for `[lifecycle] uri` of a builder.toml."""
    made: Path = _script("lifecycle").write(tmp_path_factory.mktemp("dist"))[1]
    return made


@pytest.fixture(scope="session")
def lifecycle_image(engine: docker.APIClient, test_run: str) -> Iterator[str]:
    """The name of a lifecycle image on the build base of the default builder."""
    name = f"{test_run}/lifecycle:1"
    _script("lifecycle_image").make(engine, name=name)
    yield name
    engine.remove_image(name, force=True)


def _script(name: str) -> Any:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return __import__(name)
    finally:
        sys.path.pop(0)
