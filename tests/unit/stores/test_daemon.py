"""The pure parts of the daemon store: what an engine's answers mean, and which layers it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import DiskFull, ExportError, InvalidArchive
from pybuild.stores import daemon, load
from pybuild.stores.api import StoredImage

if TYPE_CHECKING:
    import docker

    from pybuild.stores.api import ImageStore

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def _image(*diff_ids: str) -> StoredImage:
    return StoredImage(id="x", config={}, diff_ids=diff_ids, labels={})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"stream": "Loaded image ID: sha256:1\n"}, ""),
        ({"status": "Loading layer", "progressDetail": {"current": 1}}, ""),
        ({"errorDetail": {"message": "invalid diffID"}, "error": "x"}, "invalid diffID"),
        ({"error": "just\ntext"}, "just text"),
        ({"message": "unexpected EOF"}, "unexpected EOF"),
        ({"errorDetail": None}, ""),
    ],
)
def test_an_error_is_found_in_any_form_the_engine_gives_it(message: dict[str, Any], said: str) -> None:
    assert load.refusal(message) == said


def test_a_full_disk_is_told_apart_from_other_refusals() -> None:
    full = load.load_failure("write /var/lib/docker/tmp/x: no space left on device")
    other = load.load_failure("invalid diffID for layer 2")

    assert (type(full), full.hint) == (DiskFull, "docker system prune")
    assert isinstance(other, ExportError)
    assert "invalid diffID for layer 2" in str(other)


@pytest.mark.parametrize(
    ("layers", "base", "previous", "held"),
    [
        ((A, B), _image(A), None, 1),
        ((A, B, C), _image(A), _image(A, B, C), 3),
        ((A, C, B), _image(A), _image(A, B, C), 1),
        ((A, None, C), _image(A), _image(A, B, C), 1),
        # A new base: what the previous image has above its own base does not count.
        ((B, C), _image(B), _image(A, C), 1),
        ((A,), _image(), None, 0),
    ],
)
def test_the_engine_has_the_layers_that_begin_an_image_it_has(
    layers: tuple[str | None, ...], base: StoredImage, previous: StoredImage | None, held: int
) -> None:
    assert load.held_below([load.Source(layer) for layer in layers], base, previous) == held


def test_an_inspected_image_has_the_keys_that_the_go_lifecycle_takes_over() -> None:
    found = {
        "Id": A,
        "Architecture": "amd64",
        "Os": "linux",
        "Author": "me",
        "DockerVersion": "20.10",
        "RootFS": {"Type": "layers", "Layers": [B]},
        "Config": {
            "Hostname": "h",
            "Env": ["PATH=/bin"],
            "Cmd": None,
            "Labels": {"a": "1"},
            "StopSignal": "SIGINT",
        },
        "RepoTags": None,
    }
    history = [
        {"Created": 2, "CreatedBy": "new", "Comment": ""},
        {"Created": 1, "CreatedBy": "old", "Comment": "c"},
    ]

    image = daemon._stored(found, history)

    assert image.config["config"] == {
        "Env": ["PATH=/bin"],
        "Labels": {"a": "1"},
        "StopSignal": "SIGINT",
    }
    assert image.config["history"] == [
        {"created": "1970-01-01T00:00:01Z", "created_by": "old", "comment": "c"},
        {"created": "1970-01-01T00:00:02Z", "created_by": "new", "comment": ""},
    ]
    assert "docker_version" not in image.config
    assert (image.labels, image.diff_ids, image.names) == ({"a": "1"}, (B,), ())


def test_an_engine_that_names_layers_by_anything_but_digests_is_not_believed() -> None:
    with pytest.raises(InvalidArchive, match="has the layers"):
        daemon._stored({"Id": A, "RootFS": {"Layers": ["../../etc"]}}, [])


def _is_an_image_store(client: docker.APIClient) -> ImageStore:
    """Checked by mypy only."""
    return daemon.DaemonStore(client)
