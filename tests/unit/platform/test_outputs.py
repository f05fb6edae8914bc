"""The words after --output, before anything is started; what is told when a place failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidInput, PybuildError, RegistryDenied
from pybuild.oci.reference import Reference
from pybuild.platform.outputs import Output, delivered, read_outputs
from pybuild.stores.api import Copied, Written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = (Reference.parse("app"), Reference.parse("app:2"))


def _read(*words: str, publish: bool = False, names: Sequence[Reference] = NAMES) -> list[tuple[str, str]]:
    found = read_outputs(words, names, publish=publish)
    return [(output.where, " ".join(map(str, output.names))) for output in found]


def test_without_a_word_it_is_the_engine() -> None:
    assert _read() == [("docker:app:latest", "app:latest app:2")]


def test_publish_is_short_for_a_registry_and_comes_first(tmp_path: Path) -> None:
    assert _read(publish=True) == [("registry:app:latest", "app:latest app:2")]
    found = _read(f"type=oci,dest={tmp_path}/x", publish=True)
    assert [where for where, _ in found] == ["registry:app:latest", f"oci:{tmp_path}/x"]


def test_dest_is_a_name_a_folder_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "old.tar").write_text("")
    words = [
        "type=registry,dest=registry.example.com/app:3",
        "dest=other,type=docker",
        f"type=oci,dest={tmp_path}/a/b",
        f"type=docker-archive,dest={tmp_path}/old.tar",
    ]

    assert _read(*words) == [
        ("registry:registry.example.com/app:3", "registry.example.com/app:3"),
        ("docker:other:latest", "other:latest"),
        (f"oci:{tmp_path}/a/b", "app:latest app:2"),
        (f"docker-archive:{tmp_path}/old.tar", "app:latest app:2"),
    ]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("oci-archive", "'oci-archive' is not type=… or dest=…"),
        ("", "'' is not type=… or dest=…"),
        ("type=oci-archive", "needs dest=…"),
        ("type=oci-archive,dest=", "is not type=… or dest=…"),
        ("type=tar,dest=x", "has no type of docker, registry, oci, oci-archive, docker-archive"),
        ("dest=x", "has no type of"),
        ("type=oci,type=oci,dest=x", "each of them once"),
        ("type=oci,dest=x,name=y", "'name=y' is not type=… or dest=…"),
        ("type=oci,dest=/etc/passwd", "/etc/passwd is a file, expected a folder"),
        ("type=oci,dest=/etc", "/etc is no OCI image layout, and not empty"),
        ("type=oci-archive,dest=/tmp", "/tmp is a folder, expected a file"),
        ("type=oci-archive,dest=/etc/passwd/x", "/etc/passwd is no folder"),
        ("type=registry,dest=x y", "no image name"),
        ("type=registry,dest=x@sha256:" + "0" * 64, "has a digest"),
    ],
)
def test_a_place_that_cannot_be_is_one_clear_error(output: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read(output)

    assert message in str(caught.value)
    assert caught.value.hint


def test_one_place_cannot_be_named_twice(tmp_path: Path) -> None:
    for words in ([f"type=oci,dest={tmp_path}/x", f"type=oci,dest={tmp_path}/./x"], ["type=docker"] * 2):
        with pytest.raises(InvalidInput, match="named twice"):
            _read(*words)


def test_all_names_in_a_registry_are_on_one() -> None:
    names = [Reference.parse("a.example.com/x"), Reference.parse("b.example.com/x")]

    with pytest.raises(InvalidInput, match=r"the tag 'b\.example\.com/x:latest' is on b\.example\.com"):
        _read("type=registry", names=names)
    assert len(_read("type=docker", names=names)) == 1


def _written(**keys: object) -> Written:
    done = Written(
        image_id="sha256:m", changed=True, sent_bytes=5, size=9, diff_ids=(), config_digest="sha256:c"
    )
    return done if not keys else Written(**{**{name: getattr(done, name) for name in done.__slots__}, **keys})  # type: ignore[arg-type]


def test_places_that_failed_are_told_with_those_that_did_not() -> None:
    outputs = [
        Output(kind="docker", names=NAMES),
        *(Output(kind="oci", names=NAMES, dest=each) for each in "xyz"),
    ]
    denied = RegistryDenied("no entry", hint="log in")
    copies = (
        Copied(where="", names=(), written=_written()),
        Copied(where="", names=(), failure=denied),
        Copied(where="", names=(), failure=PybuildError("on fire")),
    )

    with pytest.raises(PybuildError) as caught:
        delivered(outputs, _written(copies=copies))

    assert (
        str(caught.value)
        == "the image is in docker:app:latest, oci:x, but not in oci:y: no entry; oci:z: on fire"
    )
    assert (caught.value.exit_code, caught.value.hint) == (RegistryDenied.exit_code, "log in")


def test_every_place_tells_the_images_id() -> None:
    outputs = [Output(kind="oci", names=NAMES, dest="x"), Output(kind="docker", names=NAMES)]
    copies = (Copied(where="", names=(), written=_written(config_digest="", image_id="sha256:c")),)

    found = delivered(outputs, _written(copies=copies))

    assert [each.image_id for each in found] == ["sha256:c", "sha256:c"]
