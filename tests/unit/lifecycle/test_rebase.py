"""What a rebase makes of two configurations, and which checks refuse it (pure); recorded ones are in test_rebaser."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import RebaseError
from pybuild.lifecycle.rebase import RebaseInputs, RebasePlan, plan_rebase, run_image_names
from pybuild.lifecycle.rebase import rebase as carry_out
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import LIFECYCLE_METADATA
from support.images import FolderStore
from support.rebasing import put_app, put_run_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.stores.api import StoredImage

RUN, APP = "registry.example.com/run:1", "registry.example.com/app:1"
ARM = "architecture: {app} has amd64, the run image {run} arm64"
OLD_STACK = {
    "io.buildpacks.stack.id": "io.old",
    "io.buildpacks.stack.mixins": '["git", "build:make", "run:ssl"]',
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def plan(
    image: StoredImage, run_image: StoredImage, *, name: str = RUN, force: bool = False, api: int = 15
) -> RebasePlan:
    return plan_rebase(
        RebaseInputs(
            name=APP,
            image=image,
            run_image=run_image,
            run_image_name=name,
            platform_api=ApiVersion(0, api),
            force=force,
        )
    )


def config_of(planned: RebasePlan) -> Any:
    return json.loads(planned.config)


def metadata_of(planned: RebasePlan) -> Any:
    return json.loads(config_of(planned)["config"]["Labels"][LIFECYCLE_METADATA])


def test_the_layers_up_to_the_recorded_one_are_replaced_and_all_others_stay(store: FolderStore) -> None:
    """REB-05, REB-06, REB-10, GO-79"""
    old = put_run_image(store, RUN, "old 1", "old 2", variant="v2")
    app = put_app(store, APP, old, RUN, "app 1", "app 2", mirrors=["mirror.example.com/run"])
    new = put_run_image(store, RUN, "new 1", "new 2", "new 3")

    planned = plan(app, new)

    config = config_of(planned)
    assert planned.kept == app.diff_ids[2:]
    assert config["rootfs"]["diff_ids"] == [*new.diff_ids, *app.diff_ids[2:]]
    assert config["history"] == [{"created": "1980-01-01T00:00:01Z"}] * 5
    assert "variant" not in config
    assert config["config"]["Env"] == ["PATH=/cnb/process:/bin", "CNB_PLATFORM_API=0.15"]
    before = json.loads(app.labels[LIFECYCLE_METADATA])
    before["runImage"] |= {"topLayer": new.diff_ids[-1], "reference": new.id.removeprefix("sha256:")}
    assert metadata_of(planned) == before


@pytest.mark.parametrize(
    ("api", "base_label"), [(12, "new"), (11, "old")], ids=["base labels follow", "stack labels only"]
)
def test_labels_that_speak_of_the_run_image_come_from_the_new_one(
    store: FolderStore, api: int, base_label: str
) -> None:
    """REB-07"""
    labels = {"io.buildpacks.base.x": "old", "io.buildpacks.stack.y": "old", "other": "app's"}
    old = put_run_image(store, RUN, "old", labels={**labels, "io.buildpacks.stack.gone": "1"})
    app = put_app(store, APP, old, RUN, "app")
    labels = {"io.buildpacks.base.x": "new", "io.buildpacks.stack.y": "new", "other": "run's"}
    new = put_run_image(store, RUN, "new", labels=labels)

    found = config_of(plan(app, new, api=api))["config"]["Labels"]

    assert found["io.buildpacks.base.x"] == base_label
    assert found["io.buildpacks.stack.y"] == "new"
    assert found["other"] == "app's"
    assert "io.buildpacks.stack.gone" not in found


def test_an_image_that_stands_on_that_very_run_image_has_nothing_to_change(store: FolderStore) -> None:
    base = put_run_image(store, RUN, "base")
    app = put_app(store, APP, base, RUN, "app")

    assert plan(app, base).changes == ()


def test_what_changes_is_told_with_the_values_before_and_after(store: FolderStore) -> None:
    old = put_run_image(store, RUN, "old", labels={"io.buildpacks.base.released": "monday"})
    app = put_app(store, APP, old, RUN, "app")
    new = put_run_image(store, RUN, "new", "newer", labels={"io.buildpacks.base.released": "tuesday"})

    changes = {change.what: (change.old, change.new) for change in plan(app, new).changes}

    assert changes == {
        "base layers": (
            f"1 layer up to {old.diff_ids[0][:19]}",
            f"2 layers up to {new.diff_ids[1][:19]}",
        ),
        "run image reference": (old.id[7:], new.id[7:]),
        "io.buildpacks.base.released": ("monday", "tuesday"),
    }


def other(image: StoredImage, **changes: str) -> StoredImage:
    """`image` with other values of `os`, `architecture`, `variant`, or of the distribution's labels."""
    labels = {
        f"io.buildpacks.base.distro.{key.removeprefix('distro_')}": text
        for key, text in changes.items()
        if key.startswith("distro_")
    }
    config = {key: text for key, text in changes.items() if not key.startswith("distro_")}
    return replace(image, config={**image.config, **config}, labels={**image.labels, **labels})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"os": "plan9"}, "operating system: {app} has linux, the run image {run} plan9"),
        ({"architecture": "arm64"}, ARM),
        ({"variant": "v8"}, "variant: {app} has v7, the run image {run} v8"),
        ({"distro_name": "alpine"}, "distribution: {app} has debian, the run image {run} alpine"),
        ({"distro_version": "13"}, "distribution's version: {app} has 12, the run image {run} 13"),
        (
            {"architecture": "arm64", "distro_version": "13"},
            f"{ARM}; distribution's version: {{app}} has 12, the run image {{run}} 13",
        ),
    ],
)
def test_another_target_is_refused_with_both_values_unless_forced(
    store: FolderStore, changes: Mapping[str, str], words: str
) -> None:
    """REB-08, REB-09"""
    old = put_run_image(store, RUN, "old", variant="v7")
    app = put_app(store, APP, old, RUN, "app")
    new = other(put_run_image(store, RUN, "new", variant="v7"), **changes)

    with pytest.raises(RebaseError) as caught:
        plan(app, new)

    said = words.format(app=APP, run=RUN)
    assert (str(caught.value), caught.value.exit_code) == (said, 72)
    assert "--force" in caught.value.hint
    forced = plan(app, new, force=True)
    assert "; ".join(forced.overridden) == said
    assert config_of(forced)["os"] == new.config["os"]
    assert config_of(forced)["architecture"] == new.config["architecture"]


@pytest.mark.parametrize("changes", [{"variant": ""}, {"distro_name": ""}, {"distro_version": ""}])
def test_what_the_new_run_image_leaves_open_fits(store: FolderStore, changes: Mapping[str, str]) -> None:
    """GO-79"""
    app = put_app(store, APP, put_run_image(store, RUN, "old", variant="v7"), RUN, "app")
    new = other(put_run_image(store, RUN, "new", variant="v7"), **changes)

    assert plan(app, new).overridden == ()


def test_an_app_of_an_unknown_distribution_does_not_go_on_a_known_one(store: FolderStore) -> None:
    """REB-08"""
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app")
    bare = other(app, distro_name="", distro_version="")

    with pytest.raises(RebaseError, match=r"distribution: .* has none, the run image .* debian"):
        plan(bare, put_run_image(store, RUN, "new"))


@pytest.mark.parametrize(
    ("said", "refused"), [("false", True), ("true", False), ("False", False), ("", False)]
)
def test_only_the_label_false_forbids_a_rebase(store: FolderStore, said: str, refused: bool) -> None:
    """REB-03, GO-40"""
    label = {"io.buildpacks.rebasable": said} if said else {}
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app", labels=label)
    new = put_run_image(store, RUN, "new", labels={"io.buildpacks.rebasable": "true"})

    if refused:
        with pytest.raises(RebaseError, match=f"rebasable: {APP} says 'false' .* the run image {RUN} 'true'"):
            plan(app, new)
        assert len(plan(app, new, force=True).overridden) == 1
    else:
        assert plan(app, new).overridden == ()


@pytest.mark.parametrize(
    ("name", "api", "refused"),
    [
        (RUN, 15, False),
        (f"{RUN}@{sha256(b'')}", 15, False),
        ("mirror.example.com/run", 15, False),
        ("mirror.example.com/run:latest", 15, False),
        ("registry.example.com/run:2", 15, True),
        ("registry.example.com/run", 15, True),
        ("registry.example.com/run:2", 11, False),
    ],
)
def test_a_run_image_must_be_one_that_the_app_knows(
    store: FolderStore, name: str, api: int, refused: bool
) -> None:
    """REB-08, REB-09: forced, it becomes the known one, without mirrors."""
    app = put_app(
        store, APP, put_run_image(store, RUN, "old"), RUN, "app", mirrors=["mirror.example.com/run"]
    )
    new = put_run_image(store, RUN, "new")

    if not refused:
        assert metadata_of(plan(app, new, name=name, api=api))["runImage"].get("image") == RUN
        return
    with pytest.raises(RebaseError) as caught:
        plan(app, new, name=name, api=api)
    assert str(caught.value) == (
        f"run image: {APP} knows {RUN}, mirror.example.com/run, {name} is none of them"
    )
    forced = metadata_of(plan(app, new, name=name, api=api, force=True))
    assert (forced["runImage"]["image"], "mirrors" in forced["runImage"]) == (name, False)
    assert forced["stack"] == {"runImage": {"image": name}}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"io.buildpacks.stack.id": "io.new"}, "stack: {app} has io.old, the run image {run} io.new"),
        ({"io.buildpacks.stack.id": ""}, "stack: {app} has io.old, the run image {run} none"),
        (
            {"io.buildpacks.stack.mixins": '["git", "curl"]'},
            "mixins: {app} needs make, ssl, the run image {run} has curl, git",
        ),
        ({"io.buildpacks.stack.mixins": "[1]"}, "the run image {run} has a malformed label"),
        ({"io.buildpacks.stack.mixins": "{"}, "the run image {run} has a malformed label"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_an_app_of_an_old_platform_is_held_to_its_stack_and_mixins_by_force_too(
    store: FolderStore, labels: Mapping[str, str], words: str, force: bool
) -> None:
    """REB-11"""
    app = put_app(store, APP, put_run_image(store, RUN, "old", labels=OLD_STACK), RUN, "app", api="0.11")
    new = put_run_image(store, RUN, "new", labels={**OLD_STACK, **labels})

    with pytest.raises(RebaseError) as caught:
        plan(app, new, force=force)

    assert str(caught.value).startswith(words.format(app=APP, run=RUN))


def test_an_app_of_an_old_platform_goes_on_any_target_of_its_stack(store: FolderStore) -> None:
    """REB-11: which stage a mixin was for is no matter."""
    app = put_app(store, APP, put_run_image(store, RUN, "old", labels=OLD_STACK), RUN, "app", api="0.11")
    mixins = {"io.buildpacks.stack.mixins": '["make", "ssl", "git", "more"]'}
    new = put_run_image(store, RUN, "new", labels={**OLD_STACK, **mixins})

    assert plan(other(app, distro_version="11"), new).overridden == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({LIFECYCLE_METADATA: ""}, "was not built from buildpacks"),
        ({LIFECYCLE_METADATA: "{"}, "its label is malformed"),
        ({LIFECYCLE_METADATA: "[]"}, "its label is malformed"),
        ({LIFECYCLE_METADATA: '{"runImage": 1}'}, "its label is malformed"),
        ({LIFECYCLE_METADATA: '{"runImage": {"topLayer": 5}}'}, "its label is malformed"),
        ({LIFECYCLE_METADATA: "{}"}, "ends with the layer none, which is none of its 2 layers"),
        (
            {LIFECYCLE_METADATA: json.dumps({"runImage": {"topLayer": sha256(b"x")}})},
            f"ends with the layer {sha256(b'x')}, which is none of its 2 layers",
        ),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_an_image_whose_label_is_of_no_use_is_refused(
    store: FolderStore, change: Mapping[str, str], words: str, force: bool
) -> None:
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app")

    with pytest.raises(RebaseError) as caught:
        plan(replace(app, labels={**app.labels, **change}), put_run_image(store, RUN, "new"), force=force)

    assert words in str(caught.value)
    assert APP in str(caught.value)


def test_a_run_image_without_layers_is_refused(store: FolderStore) -> None:
    base = put_run_image(store, RUN, "old")
    app = put_app(store, APP, base, RUN, "app")

    with pytest.raises(RebaseError, match="has no layers"):
        plan(app, replace(base, diff_ids=()))


def test_an_app_for_a_platform_api_that_is_none_is_refused(store: FolderStore) -> None:
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app", api="0.15x")

    with pytest.raises(RebaseError, match=r"CNB_PLATFORM_API is '0\.15x'"):
        plan(app, put_run_image(store, RUN, "new"))


def test_what_an_old_lifecycle_wrote_of_the_app_layer_is_passed_on(store: FolderStore) -> None:
    """GO-79: before there were slices it was no array."""
    old = put_run_image(store, RUN, "old")
    app = put_app(store, APP, old, RUN, "app")
    label = json.loads(app.labels[LIFECYCLE_METADATA])
    label["app"] = {"sha": "x", "n": 9007199254740993}
    given = replace(app, labels={**app.labels, LIFECYCLE_METADATA: json.dumps(label)})

    assert metadata_of(plan(given, put_run_image(store, RUN, "new")))["app"] == {
        "n": 9007199254740992,
        "sha": "x",
    }


@pytest.mark.parametrize(
    ("registry", "api", "names"),
    [
        ("other.example.com", 15, [RUN, "mirror.example.com/run", "mirror.example.com/run:2"]),
        ("mirror.example.com", 15, ["mirror.example.com/run", "mirror.example.com/run:2", RUN]),
        ("registry.example.com", 11, [RUN, "mirror.example.com/run", "mirror.example.com/run:2"]),
    ],
)
def test_run_images_are_looked_for_on_the_apps_registry_first(
    store: FolderStore, registry: str, api: int, names: list[str]
) -> None:
    """REB-04, GEN-15; a mirror that is no name is left out."""
    mirrors = ["mirror.example.com/run", "No Name", "mirror.example.com/run:2"]
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app", mirrors=mirrors)

    assert run_image_names(app, APP, ApiVersion(0, api), registry) == tuple(names)


def test_an_image_that_names_no_run_image_asks_for_one(store: FolderStore) -> None:
    app = put_app(store, APP, put_run_image(store, RUN, "old"), "", "app")

    with pytest.raises(RebaseError, match="does not say which run image") as caught:
        run_image_names(app, APP, ApiVersion(0, 15), "x")
    assert "--run-image" in caught.value.hint


def test_the_image_gets_its_names_and_the_report_names_them(store: FolderStore) -> None:
    """REB-02, REB-10, RPT-01"""
    app = put_app(store, APP, put_run_image(store, RUN, "old"), RUN, "app")
    new = put_run_image(store, RUN, "new")
    names = [Reference.parse(name) for name in ("registry.example.com/b", "registry.example.com/c:1")]

    done = carry_out(store, plan(app, new), names)

    assert {store.names[name.name] for name in names} == {done.written.image_id}
    assert store.names[APP] == app.id
    assert done.report.write().decode() == (
        '[image]\n  tags = ["registry.example.com/b:latest", "registry.example.com/c:1"]\n'
        f'  image-id = "{done.written.image_id[7:]}"\n'
    )
