"""Flags in Go's grammar, variables, defaults, and which flag each phase knows since when (spec-checklist §13, GEN-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.lifecycle.go_flags import Flag, UsageError, parse_bool, parse_flags
from pybuild.lifecycle.inputs import INPUTS, PHASES, Inputs, read_inputs
from pybuild.spec.api import ApiVersion

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.lifecycle.inputs import PhaseName

FLAGS = (Flag("app", "text"), Flag("daemon", "bool"), Flag("uid", "int"), Flag("tag", "list"))


def read(
    *words: str, phase: PhaseName = "exporter", api: int = 13, environ: dict[str, str] | None = None
) -> Inputs:
    return read_inputs(phase, words, environ or {}, ApiVersion(0, api))


@pytest.mark.parametrize(
    ("words", "values", "rest"),
    [
        ("-app /a", {"app": "/a"}, ""),
        ("--app=/a=b x", {"app": "/a=b"}, "x"),
        ("-app= x", {"app": ""}, "x"),
        ("-daemon x -app /a", {"daemon": True}, "x -app /a"),
        ("-daemon=F -daemon=1", {"daemon": True}, ""),
        ("-daemon=false", {"daemon": False}, ""),
        ("-uid 0x3e8", {"uid": 1000}, ""),
        ("-uid 010", {"uid": 8}, ""),
        ("-uid=-1", {"uid": -1}, ""),
        ("-uid 1_000", {"uid": 1000}, ""),
        ("-tag a -tag=b,c", {"tag": ("a", "b,c")}, ""),
        ("-- -app", {}, "-app"),
        ("- -app", {}, "- -app"),
        ("-app -daemon", {"app": "-daemon"}, ""),
    ],
)
def test_flags_mean_what_they_mean_in_go(words: str, values: dict[str, object], rest: str) -> None:
    assert parse_flags(FLAGS, words.split()) == (values, rest.split())


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ("-nope", "flag provided but not defined: -nope", 2),
        ("---app", "bad flag syntax: ---app", 2),
        ("-=x", "bad flag syntax: -=x", 2),
        ("-app", "flag needs an argument: -app", 2),
        ("-daemon=yes", 'invalid boolean value "yes" for -daemon', 2),
        ("-uid ten", 'invalid value "ten" for flag -uid', 2),
        ("-uid 9223372036854775808", "for flag -uid", 2),
        ("-uid 08", "for flag -uid", 2),
        ("-h", "Usage of lifecycle:", 0),
    ],
)
def test_what_go_refuses_ends_with_its_words_and_its_code(words: str, said: str, code: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags(FLAGS, words.split())

    assert caught.value.text.startswith(said) or said in caught.value.text
    assert "-app string" in caught.value.text
    assert caught.value.code == code


@pytest.mark.parametrize(("text", "value"), [("T", True), ("0", False), ("yes", None), ("", None)])
def test_truth_is_spelt_as_in_go(text: str, value: bool | None) -> None:
    assert parse_bool(text) is value


def test_a_flag_wins_over_its_variable_and_that_over_the_default() -> None:
    """GEN-04."""
    environ = {"CNB_APP_DIR": "/from-variable", "CNB_LAYERS_DIR": ""}

    assert read(environ=environ).app == "/from-variable"
    assert read("-app", "/from-flag", environ=environ).app == "/from-flag"
    assert read(environ=environ).layers == "/layers"
    assert read().exec_env == "production"


def test_a_variable_that_cannot_be_read_counts_as_nothing() -> None:
    environ = {
        "CNB_USER_ID": "ten",
        "CNB_GROUP_ID": "+7",
        "CNB_USE_DAEMON": "yes",
        "CNB_PARALLEL_EXPORT": "t",
    }

    inputs = read(environ=environ)

    assert (inputs.uid, inputs.gid, inputs.daemon, inputs.parallel) == (0, 7, False, True)


def test_lists_come_from_commas_in_the_variable_and_from_repeated_flags() -> None:
    """GEN-14."""
    environ = {"CNB_INSECURE_REGISTRIES": "a,b"}

    inputs = read("-insecure-registry", "c", "image", "more", environ=environ)

    assert inputs.insecure_registries == ("a", "b", "c")
    assert inputs.images == ("image", "more")
    assert read("-tag", "x", "-tag", "y", "image", phase="creator").tags == ("x", "y")


def test_paths_lie_in_the_layers_directory_and_folders_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    inputs = read("-layers", "l", "-cache-dir", "c/../d", "-analyzed", "a/b.toml")

    assert inputs.layers == f"{tmp_path}/l"
    assert inputs.group == "l/group.toml"
    assert inputs.generated == f"{tmp_path}/l/generated"
    assert (inputs.cache_dir, inputs.launch_cache) == (f"{tmp_path}/d", "")
    assert inputs.analyzed == "a/b.toml"


def test_the_order_is_the_builders_unless_the_layers_directory_has_one(tmp_path: Path) -> None:
    """ORD-04."""
    words = ("-layers", str(tmp_path))
    assert read(*words, phase="detector").order == "/cnb/order.toml"

    (tmp_path / "order.toml").write_text("")

    assert read(*words, phase="detector").order == f"{tmp_path}/order.toml"
    assert read(*words, "-order", "/o", phase="detector").order == "/o"


def test_either_variable_or_the_phases_own_flag_skips_layers() -> None:
    assert read(phase="restorer", environ={"CNB_SKIP_LAYERS": "1"}).skip_layers
    assert read(phase="creator", environ={"CNB_SKIP_RESTORE": "1"}).skip_layers
    assert read("-skip-restore", phase="creator").skip_layers
    assert read("-skip-layers", phase="restorer").skip_layers
    assert not read(phase="creator").skip_layers


# Spec-checklist §13: the first Platform API that has the flag there; None where it never is.
@pytest.mark.parametrize(
    ("flag", "phase", "since"),
    [
        ("analyzed", "detector", 10), ("analyzed", "builder", 12), ("analyzed", "creator", None),
        ("build-config", "detector", 11), ("build-config", "exporter", None),
        ("daemon", "restorer", 12), ("daemon", "analyzer", 7),
        ("extended", "exporter", 12), ("extensions", "detector", 10), ("extensions", "creator", None),
        ("insecure-registry", "analyzer", 13), ("launch-cache", "analyzer", 9), ("launch-cache", "exporter", 7),
        ("launcher-sbom", "creator", 11), ("layout", "exporter", 12), ("order", "creator", 7),
        ("run", "restorer", 14), ("run", "detector", 12), ("skip-layers", "analyzer", 9),
        ("skip-restore", "creator", 7), ("system", "detector", 15), ("tag", "exporter", None),
        ("process-type", "exporter", 7), ("cache-image", "builder", None), ("build-image", "restorer", 10),
    ],
)  # fmt: skip
def test_each_phase_knows_a_flag_since_its_platform_api(
    flag: str, phase: PhaseName, since: int | None
) -> None:
    (each,) = (it for it in INPUTS if it.flag == flag)

    known = [minor for minor in range(7, 16) if each.known(phase, ApiVersion(0, minor))]

    assert known == ([] if since is None else list(range(since, 16)))


def test_stack_toml_has_a_flag_before_0_12_only_but_for_the_creator() -> None:
    (stack,) = (it for it in INPUTS if it.flag == "stack")

    assert [minor for minor in range(7, 16) if stack.known("analyzer", ApiVersion(0, minor))] == [
        7,
        8,
        9,
        10,
        11,
    ]
    assert stack.known("creator", ApiVersion(0, 15))
    assert not stack.known("detector", ApiVersion(0, 7))


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_has_a_help_with_its_flags(phase: PhaseName) -> None:
    with pytest.raises(UsageError) as caught:
        read("-help", phase=phase)

    assert "  -log-level string\n    \tlogging level" in caught.value.text
