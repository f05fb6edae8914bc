"""SBOMs are compared component by component, in all three formats; what cannot be read is told, not raised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pybuild.platform.images import sbom_changes as module
from pybuild.platform.images.sbom_changes import Sbom, SbomCollector, read_sbom, sbom_changes


def sbom(value: Any, format_: str = "cdx") -> Sbom:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_sbom(text, digest=str(hash(text)), format_=format_)


CDX = {
    "components": [
        {"name": "a", "version": "1", "components": [{"group": "g", "name": "b", "version": "2"}]},
        {"name": "c"},
    ]
}
SPDX = {"packages": [{"name": "a", "versionInfo": "1"}, {"name": "c"}]}
SYFT = {"artifacts": [{"name": "a", "version": "1"}]}


@pytest.mark.parametrize(
    ("format_", "document", "components"),
    [
        ("cdx", CDX, {"a@1", "g/b@2", "c"}),
        ("spdx", SPDX, {"a@1", "c"}),
        ("syft", SYFT, {"a@1"}),
        ("cdx", {}, set()),
        ("cdx", [], set()),
        ("cdx", {"components": [1, {"name": None}, {"components": 7}]}, {"(without a name)"}),
    ],
)
def test_components_are_found_in_every_format(format_: str, document: Any, components: set[str]) -> None:
    assert sbom(document, format_).components == components


def test_components_that_come_and_go_are_told() -> None:
    a = {"acme/dep (cdx)": sbom({"components": [{"name": "x", "version": "1"}, {"name": "y"}]})}
    b = {"acme/dep (cdx)": sbom({"components": [{"name": "x", "version": "2"}, {"name": "y"}]})}

    (found,) = sbom_changes(a, b)

    assert (found.change, found.added, found.removed) == ("changed", ("x@2",), ("x@1",))


def test_a_file_that_only_one_image_has_is_added_or_removed_with_all_that_is_in_it() -> None:
    one = {"a (cdx)": sbom(CDX)}

    (added,), (removed,) = sbom_changes({}, one), sbom_changes(one, {})

    assert (added.change, added.added, added.removed) == ("added", ("a@1", "c", "g/b@2"), ())
    assert (removed.change, removed.added, removed.removed) == ("removed", (), ("a@1", "c", "g/b@2"))


def test_other_bytes_with_the_same_components_are_a_change_without_any() -> None:
    (found,) = sbom_changes({"a": sbom(CDX)}, {"a": sbom({**CDX, "serialNumber": "2"})})

    assert (found.change, found.added, found.removed, found.fault) == ("changed", (), (), "")


def test_equal_files_do_not_appear() -> None:
    assert sbom_changes({"a": sbom(CDX)}, {"a": sbom(CDX)}) == ()


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 5000, b'{"components": ' + b"9" * 5000 + b"}"])
def test_an_sbom_that_cannot_be_read_has_unknown_components(content: bytes) -> None:
    """Labels and files of an image may come from anybody."""
    broken = sbom(content)

    (found,) = sbom_changes({"a": sbom(CDX)}, {"a": broken})

    assert broken.components is None
    assert (found.added, found.removed) == ((), ())
    assert found.fault


def test_too_many_components_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COMPONENTS", 3)

    assert "more than 3" in sbom({"components": [{"name": str(number)} for number in range(5)]}).fault


def test_only_sboms_of_the_launch_image_are_taken_and_only_up_to_a_size() -> None:
    collector = SbomCollector(limit=10)

    wanted = [
        path
        for path in (
            "layers/sbom/launch/acme_dep/deps/sbom.cdx.json",
            "layers/sbom/launch/sbom.legacy.json",
            "layers/sbom/build/acme_dep/sbom.cdx.json",
            "layers/sbom/launch/acme_dep/sbom.other.json",
        )
        if collector.wants(path)
    ]
    collector.take(wanted[0], 11, "d", None)

    assert len(wanted) == 1
    assert "11 bytes" in collector.found["acme_dep/deps (cdx)"].fault
