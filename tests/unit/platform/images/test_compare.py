"""Two images as values: every part that differs is named by its path, and nothing that is the same."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.platform.images.compare import compare_facts, layer_pairs
from pybuild.platform.images.differences import MOST_INSIDE, aligned, json_differences
from pybuild.platform.images.image_facts import RUN_IMAGE, UNKNOWN, ImageFacts, OwnedLayer
from pybuild.stores.api import StoredImage


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


METADATA = {
    "app": [{"sha": digest(4)}, {"sha": digest(5)}],
    "sbom": {"sha": digest(3)},
    "buildpacks": [
        {
            "key": "acme/dep",
            "version": "1",
            "layers": {"deps": {"sha": digest(2), "data": None, "launch": True}},
        }
    ],
    "config": {"sha": digest(7)},
    "launcher": {"sha": digest(6)},
    "process-types": {"sha": digest(8)},
    "runImage": {"topLayer": digest(1), "reference": "x", "image": "acme/run"},
}
BUILD = {
    "buildpacks": [{"id": "acme/dep", "version": "1"}],
    "processes": [
        {"type": "web", "command": ["run"], "args": ["a"], "direct": False, "buildpackID": "acme/dep"}
    ],
    "buildpack-default-process-type": "web",
}


def image(
    name: str = "a",
    *,
    id: int = 100,  # noqa: A002
    layers: int = 9,
    metadata: Any = METADATA,
    build: Any = BUILD,
    labels: dict[str, str] | None = None,
    config: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    complete: bool = False,
    config_digest: str = "",
) -> ImageFacts:
    made = {
        "io.buildpacks.lifecycle.metadata": metadata if isinstance(metadata, str) else json.dumps(metadata),
        "io.buildpacks.build.metadata": json.dumps(build),
        **(labels or {}),
    }
    stored = StoredImage(
        id=digest(id),
        config={
            "os": "linux",
            "architecture": "amd64",
            "created": "1980-01-01T00:00:01Z",
            "history": [
                {"created": "1980-01-01T00:00:01Z", "created_by": f"step {n}"} for n in range(layers)
            ],
            "config": {
                "Env": ["A=1", "B=2"],
                "User": "cnb",
                "Entrypoint": ["/cnb/process/web"],
                **(config or {}),
            },
            **(about or {}),
        },
        diff_ids=tuple(digest(number) for number in range(layers)),
        labels=made,
        config_digest=config_digest,
    )
    return ImageFacts.of(stored, name, complete=complete)


def told(a: ImageFacts, b: ImageFacts, section: str = "") -> list[tuple[str, str, str, Any, Any]]:
    return [
        (found.section, f"{found.path}{found.at}", found.change, found.a, found.b)
        for found in compare_facts(a, b).differences
        if found.path != "id" and (not section or found.section == section)
    ]


def test_every_layer_has_its_owner() -> None:
    assert [layer.owner for layer in image().layers] == [
        *(RUN_IMAGE, RUN_IMAGE, "acme/dep:deps", "sbom", "app slice 1", "app slice 2"),
        *("launcher", "config", "process-types"),
    ]


def test_equal_layers_of_several_owners_are_told_apart_by_their_order() -> None:
    """Two empty slices are one and the same layer, twice."""
    metadata = copy.deepcopy(METADATA)
    metadata["app"] = [{"sha": digest(4)}, {"sha": digest(4)}]
    stored = StoredImage(
        id=digest(1),
        config={},
        diff_ids=(digest(1), digest(4), digest(4), digest(9)),
        labels={"io.buildpacks.lifecycle.metadata": json.dumps(metadata)},
    )

    facts = ImageFacts.of(stored, "x", complete=True)

    assert [layer.owner for layer in facts.layers] == [RUN_IMAGE, "app slice 1", "app slice 2", UNKNOWN]


@pytest.mark.parametrize(
    "label", ["", "{", "[]", '{"app": 7}', "[" * 500, '{"buildpacks": [{"key": "../x\\n"}]}']
)
def test_a_label_that_is_no_metadata_leaves_layers_without_owners_and_a_note(label: str) -> None:
    facts = image(metadata=label)

    assert {layer.owner for layer in facts.layers} == {UNKNOWN}
    assert any("a has a label that cannot be read" in note for note in facts.notes)


def test_an_image_that_no_buildpacks_made_is_compared_all_the_same() -> None:
    plain = ImageFacts.of(
        StoredImage(id=digest(50), config={}, diff_ids=(digest(61), digest(62)), labels={}),
        "plain",
        complete=True,
    )

    found = compare_facts(plain, image())

    assert not found.same
    assert {pair.owner for pair in found.layers if pair.a} == {UNKNOWN}
    assert any("plain has no label" in note for note in found.notes)


def test_images_with_one_id_are_the_same_and_nothing_else_is_looked_at() -> None:
    found = compare_facts(image("a"), image("b", config={"User": "root"}))

    assert (found.identical, found.same, found.differences, found.layers) == (True, True, (), ())


def test_an_image_in_an_engine_is_known_in_a_registry_by_its_configuration() -> None:
    pushed = image("b", id=200, complete=True, config_digest=digest(100))

    assert compare_facts(image("a"), pushed).identical
    assert not compare_facts(image("a", id=101), pushed).identical


def test_another_id_is_a_difference_where_both_ids_are_of_one_kind() -> None:
    found = compare_facts(image(id=1), image(id=2))
    registries = [image(id=n, complete=True, config_digest=digest(10 + n)) for n in (1, 2)]

    assert [(each.path, each.a, each.b) for each in found.differences] == [("id", digest(1), digest(2))]
    assert [each.a for each in compare_facts(*registries).differences] == [digest(11)]
    assert not found.same


def test_an_engine_beside_a_registry_is_compared_in_what_both_tell() -> None:
    engine_side = image(id=1)
    registry_side = image(
        id=2,
        complete=True,
        config_digest=digest(3),
        config={"Hostname": "x"},
        about={
            "history": [
                {"created": "1980-01-01T00:00:01.5Z", "created_by": f"step {n}", "empty_layer": False}
                for n in range(9)
            ]
        },
    )

    found = compare_facts(engine_side, registry_side)

    assert found.same
    assert any("does not show all" in note for note in found.notes)


def test_variables_are_compared_by_name() -> None:
    other = image(id=2, config={"Env": ["A=1", "B=3", "C=4=5"]})

    assert told(image(), other) == [
        ("config", "Env.B", "changed", "2", "3"),
        ("config", "Env.C", "added", None, "4=5"),
    ]


def test_only_another_order_of_variables_is_told() -> None:
    (found,) = told(image(), image(id=2, config={"Env": ["B=2", "A=1"]}))

    assert found == ("config", "Envorder", "changed", ["A", "B"], ["B", "A"])


def test_settings_are_compared_lists_as_wholes_and_sets_by_member() -> None:
    other = image(
        id=2,
        config={"User": "root", "Entrypoint": ["/x"], "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGINT"},
    )

    assert told(image(), other, "config") == [
        ("config", "Entrypoint", "changed", ["/cnb/process/web"], ["/x"]),
        ("config", "ExposedPorts.80/tcp", "added", None, {}),
        ("config", "StopSignal", "added", None, "SIGINT"),
        ("config", "User", "changed", "cnb", "root"),
    ]


def test_processes_are_compared_by_type_and_field() -> None:
    build = copy.deepcopy(BUILD)
    build["processes"][0]["args"] = ["b"]  # type: ignore[index]
    build["processes"].append({"type": "job", "command": ["x"]})  # type: ignore[attr-defined]
    build["buildpack-default-process-type"] = "job"

    assert told(image(), image(id=2, build=build), "processes") == [
        ("processes", "job", "added", None, {"command": ["x"]}),
        ("processes", "web.args", "changed", ["a"], ["b"]),
        ("processes", "default", "changed", "web", "job"),
    ]


def test_json_labels_are_compared_key_by_key_and_others_as_texts() -> None:
    metadata = copy.deepcopy(METADATA)
    metadata["buildpacks"][0]["layers"]["deps"]["sha"] = digest(99)  # type: ignore[index]
    one = image(labels={"plain": "x", "spelled": '{"a": 1}', "gone": "1"})
    other = image(id=2, metadata=metadata, labels={"plain": "y", "spelled": '{"a":1}', "new": "1"})

    assert told(one, other, "labels") == [
        ("labels", "gone", "removed", "1", None),
        (
            "labels",
            "io.buildpacks.lifecycle.metadata.buildpacks[0].layers.deps.sha",
            "changed",
            digest(2),
            digest(99),
        ),
        ("labels", "new", "added", None, "1"),
        ("labels", "plain", "changed", "x", "y"),
        ("labels", "spelled", "changed", '{"a": 1}', '{"a":1}'),
    ]


def test_a_label_with_endless_differences_is_told_as_one() -> None:
    one, other = (json.dumps([number] * (MOST_INSIDE + 1)) for number in (1, 2))

    (found,) = told(image(labels={"x": one}), image(id=2, labels={"x": other}), "labels")

    assert found == ("labels", "x", "changed", one, other)


def test_history_is_compared_item_by_item() -> None:
    other = image(id=2, about={"history": [{"created": "1980-01-01T00:00:01Z", "created_by": "step 0"}] * 2})

    sections = [found[:3] for found in told(image(layers=1), other, "history")]

    assert sections == [("history", "[1]", "added")]


def test_the_base_is_named() -> None:
    metadata = {**METADATA, "runImage": {"topLayer": digest(0), "reference": "x", "image": "acme/other"}}

    assert told(image(), image(id=2, metadata=metadata), "base") == [
        ("base", "name", "changed", "acme/run", "acme/other"),
        ("base", "top_layer", "changed", digest(1), digest(0)),
    ]


def test_hostile_configurations_do_no_harm() -> None:
    strange = image(
        id=2, config={"Env": "A=1", "Volumes": [1], "ExposedPorts": 7}, about={"history": "x", "created": 7}
    )

    found = compare_facts(image(), strange)

    assert json.dumps(found.as_json())
    assert ("config", "ExposedPorts", "added", None, 7) in told(image(), strange)


def test_the_json_shape_is_kept() -> None:
    found = compare_facts(image("a"), image("b", id=2, layers=8)).as_json()

    assert list(found) == ["same", "identical", "images", "differences", "layers", "files", "sbom", "notes"]
    assert list(found["images"][0]) == [
        *("name", "id", "config_digest", "platform", "created", "size_bytes", "layers", "run_image"),
    ]
    assert list(found["differences"][0]) == ["section", "path", "at", "change", "a", "b"]
    assert found["layers"][8] == {
        "owner": "process-types",
        "change": "removed",
        "a": {"index": 8, "diff_id": digest(8)},
        "b": None,
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b c", "d"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(a=values, b=values)
def test_json_values_differ_exactly_when_their_texts_do(a: Any, b: Any) -> None:
    found = list(json_differences(a, b))

    assert bool(found) == (json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True))
    assert len({path for path, *_ in found}) == len(found)
    assert [change for _, change, *_ in json_differences(b, a)] == [
        {"added": "removed", "removed": "added"}.get(change, change) for _, change, *_ in found
    ]


def test_paths_of_json_differences_are_as_jq_takes_them() -> None:
    found = json_differences({"a": [{"b c": 1}], "d-e": True}, {"a": [{"b c": 2}, 3], "d-e": 1})

    assert [path for path, *_ in found] == ['.a[0]["b c"]', ".a[1]", ".d-e"]


lists = st.lists(st.integers(0, 3), max_size=8)


@given(a=lists, b=lists)
def test_aligned_lists_lose_nothing_and_begin_and_end_alike(a: list[int], b: list[int]) -> None:
    pairs = list(aligned(a, b, lambda item: item))

    assert [one for one, _ in pairs if one is not None] == a
    assert [other for _, other in pairs if other is not None] == b
    if a == b:
        assert all(one == other for one, other in pairs)


owners = st.sampled_from([RUN_IMAGE, UNKNOWN, "a:b", "app slice 1", "launcher"])
images = st.lists(st.tuples(owners, st.integers(0, 3)), max_size=8).map(
    lambda items: [
        OwnedLayer(owner=owner, index=at, diff_id=str(number)) for at, (owner, number) in enumerate(items)
    ]
)


@given(a=images, b=images)
def test_every_layer_is_in_exactly_one_pair(a: list[OwnedLayer], b: list[OwnedLayer]) -> None:
    pairs = list(layer_pairs(a, b))

    assert [pair.a for pair in pairs if pair.a] == a
    assert sorted(pair.b.index for pair in pairs if pair.b) == [layer.index for layer in b]
    assert all(
        pair.a is None or pair.b is None or pair.change == "same" or pair.a.owner == pair.b.owner
        for pair in pairs
    )


def test_a_run_image_is_found_again_below_an_app_image() -> None:
    run_image = ImageFacts.of(
        StoredImage(id=digest(50), config={}, diff_ids=(digest(0), digest(1)), labels={}),
        "run",
        complete=True,
    )

    pairs = compare_facts(run_image, image()).layers

    assert [(pair.owner, pair.change) for pair in pairs[:3]] == [
        (RUN_IMAGE, "same"),
        (RUN_IMAGE, "same"),
        ("acme/dep:deps", "added"),
    ]
