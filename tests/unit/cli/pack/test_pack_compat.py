"""`pybuild-pack`: pack's arguments, settings, lines and exit codes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from pybuild import __version__, events
from pybuild.cli.pack import arguments
from pybuild.cli.pack.compat import PACK_VERSION
from pybuild.cli.pack.words import PackConsole, error_in_packs_words, line_in_packs_words

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Lab, Outcome


def pack(lab: Lab, *args: str) -> Outcome:
    return lab.run("pack-compat", "--", *args, PACK_HOME=str(lab.root / "pack"))


def test_the_version_is_packs_with_ours_behind_it(words_lab: Lab) -> None:
    told = f"exit 0\n--- stdout\n{PACK_VERSION}+pybuild-{__version__}\n"

    assert pack(words_lab, "version").text() == told
    assert pack(words_lab, "--version").text() == told


def test_a_command_that_pack_has_not_is_refused_in_its_words(words_lab: Lab) -> None:
    assert pack(words_lab, "detect").text() == (
        'exit 1\n--- stderr\nError: unknown command "detect" for "pack"\nRun \'pack --help\' for usage.\n'
    )


def test_without_a_builder_a_build_suggests_some_and_ends_with_2(words_lab: Lab) -> None:
    outcome = pack(words_lab, "build", "app", "--no-color", "--verbose")

    assert outcome.code == 2
    assert "Please select a default builder with:\n" in outcome.stdout
    assert "'gcr.io/buildpacks/builder:google-22'" in outcome.stdout


def test_settings_are_packs_own_file(words_lab: Lab) -> None:
    told = pack(words_lab, "config", "default-builder", "acme/builder:1", "--no-color")
    pack(words_lab, "config", "experimental", "true")

    assert told.text() == "exit 0\n--- stdout\nBuilder 'acme/builder:1' is now the default builder\n"
    home = words_lab.root / "pack"
    assert (home / "config.toml").read_text() == (
        f'default-builder-image = "acme/builder:1"\nexperimental = true\nlayout-repo-dir = "{home}/layout-repo"\n'
    )
    assert not (words_lab.root / "home" / ".config").exists()


def test_the_report_has_packs_lines_and_no_names(words_lab: Lab) -> None:
    pack(words_lab, "config", "default-builder", "acme/secret")

    told = pack(words_lab, "report", "--no-color", "--verbose").stdout
    explicit = pack(words_lab, "report", "-e").stdout

    assert told.startswith(f"Pack:\n  Version:  {PACK_VERSION}+pybuild-{__version__}\n  OS/Arch:  linux/")
    assert told.endswith('Config:\n  default-builder-image = "[REDACTED]"\n')
    assert explicit.endswith('Config:\n  default-builder-image = "acme/secret"\n')


def test_an_old_name_of_a_command_is_warned_of(words_lab: Lab) -> None:
    told = pack(words_lab, "trust-builder", "acme/builder").stdout.splitlines()

    assert told == [
        (
            "Warning: Command 'pack trust-builder' has been deprecated,"
            " please use 'pack config trusted-builders add' instead"
        ),
        "Builder 'acme/builder' is now trusted",
    ]


def test_an_error_goes_to_standard_error_with_1(words_lab: Lab) -> None:
    outcome = pack(words_lab, "build", "UPPER", "-B", "acme/builder")

    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("ERROR: failed to build: 'UPPER' is no image name")


def test_an_unknown_flag_is_told_as_cobra_does(words_lab: Lab) -> None:
    assert (
        pack(words_lab, "build", "a", "--nope").text() == "exit 1\n--- stderr\nError: unknown flag: --nope\n"
    )


def test_a_builder_is_not_inspected_where_none_is_chosen(words_lab: Lab) -> None:
    assert pack(words_lab, "builder", "inspect").code == 2


def test_completion_writes_a_file_and_tells_where(words_lab: Lab) -> None:
    told = pack(words_lab, "completion", "--shell", "fish")

    assert told.stdout == f"{words_lab.root}/pack/completion.fish\n"
    assert "pybuild" in (words_lab.root / "pack" / "completion.fish").read_text()


@pytest.mark.parametrize("args", [["build", "a", "-v"], ["-v", "build", "a"], ["build", "--verbose", "a"]])
def test_global_flags_stand_anywhere(args: list[str]) -> None:
    call = arguments.read(args)

    assert (call.words, call.verbose, call.flags) == (("build", "a"), True, ["--verbose"])


def test_after_two_dashes_nothing_is_a_flag() -> None:
    assert arguments.read(["build", "--", "-v"]).words == ("build", "--", "-v")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Pulling acme/run:1", "Pulling image 'acme/run:1'"),
        ("Pulling acme/run:1 for linux/arm64", "Pulling image 'acme/run:1' with platform 'linux/arm64'"),
        ("Pulling strings is hard", "Pulling strings is hard"),
    ],
)
def test_lines_are_told_in_packs_words(ours: str, theirs: str) -> None:
    assert line_in_packs_words(ours) == theirs


def test_an_image_that_is_missing_is_told_as_pack_does() -> None:
    ours = "the Docker Engine has no image a/b:1, and the pull policy is never"

    assert error_in_packs_words(ours) == "image 'a/b:1' does not exist on the daemon: not found"


def shown(*told: events.Event, **words: object) -> str:
    stream = io.BytesIO()
    console = PackConsole(stream=stream, **words)  # type: ignore[arg-type]
    for event in told:
        console(event)
    console.flush()
    return stream.getvalue().decode()


def test_phases_of_a_builder_that_is_not_trusted_begin_their_lines() -> None:
    told = (
        events.PhaseStarted(phase="BUILDING"),
        events.Info("Running"),
        events.Output(source="acme/bp", data=b"one\ntwo\nthree"),
        events.PhaseFinished(phase="BUILDING", seconds=1),
        events.Info("after"),
    )

    assert shown(*told, by_phase=True) == (
        "===> BUILDING\n[builder] Running\n[builder] one\n[builder] two\n[builder] three\nafter\n"
    )
    assert shown(*told) == "===> BUILDING\nRunning\none\ntwo\nthree\nafter\n"


def test_which_image_is_extended_stands_before_the_line() -> None:
    told = (
        events.PhaseStarted(phase="EXTENDING"),
        events.Info("Extending the build image by acme/ext"),
        events.Info("Extending the run image by acme/ext"),
    )

    assert shown(*told, by_phase=True) == (
        "===> EXTENDING\n"
        "[extender (build)] Extending the build image by acme/ext\n"
        "[extender (run)] Extending the run image by acme/ext\n"
    )


def test_images_are_named_as_the_user_did_and_cached_layers_told() -> None:
    told = (
        events.Info("Rebasing 'reg.example.com/a:latest' on run image 'b'"),
        events.LayerDecided(action="cached", owner="acme/bp", layer="deps", rebuilt=True),
        events.LayerDecided(action="cached", owner="acme/bp", layer="more"),
    )

    assert shown(*told, names={"reg.example.com/a:latest": "reg.example.com/a"}) == (
        "Rebasing 'reg.example.com/a' on run image 'b'\n"
        "Adding cache layer 'acme/bp:deps'\n"
        "Reusing cache layer 'acme/bp:more'\n"
    )


def test_settings_of_ours_are_untouched(words_lab: Lab, tmp_path: Path) -> None:
    words_lab.run("config", "pull-policy", "never")
    pack(words_lab, "config", "pull-policy", "always")

    assert words_lab.run("config", "pull-policy").stdout == "The current pull policy is 'never'\n"
