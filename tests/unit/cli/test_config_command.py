"""`pybuild config`: shown, set and taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.cli import Lab


def test_one_setting_is_set_shown_and_unset(words_lab: Lab) -> None:
    def config(*args: str) -> str:
        return words_lab.run("config", "default-builder", *args).text()

    assert config() == "exit 0\n--- stdout\nNo default builder is set: builds take pybuild's own\n"
    assert (
        config("acme/builder:1")
        == "exit 0\n--- stderr\nBuilder 'acme/builder:1' is now the default builder\n"
    )
    assert config() == "exit 0\n--- stdout\nThe current default builder is 'acme/builder:1'\n"
    assert config("-u") == "exit 0\n--- stderr\nSuccessfully unset default builder 'acme/builder:1'\n"
    assert config("-u") == "exit 0\n--- stderr\nNo default builder was set\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("default-builder", "UPPER"), "is no image name"),
        (("default-builder", "a", "--unset"), "are two things"),
        (("pull-policy", "sometimes"), "is no pull policy"),
        (("trusted-builders", "remove", "heroku/builder:24"), "is a known one"),
        (("run-image-mirrors", "add", "acme/run"), "no mirror is named"),
        (("registry-mirrors", "add", "docker.io", "-m", "a/b"), "is no registry"),
        (("registries", "add", "official", "https://example.com"), "is the name of the official registry"),
        (("registries", "remove", "mine"), "there is no registry 'mine'; known are official"),
        (("registries", "default", "mine"), "there is no registry 'mine'"),
    ],
)
def test_what_means_nothing_is_refused(words_lab: Lab, args: tuple[str, ...], words: str) -> None:
    words_lab.run("config", *args).failed(3, words)


def test_lists_grow_and_shrink(words_lab: Lab) -> None:
    words_lab.run("config", "trusted-builders", "add", "acme/builder")
    words_lab.run("config", "run-image-mirrors", "add", "acme/run", "-m", "a.example.com/run", "-m", "b/run")
    words_lab.run("config", "run-image-mirrors", "remove", "acme/run", "-m", "b/run")
    words_lab.run("config", "registry-mirrors", "add", "*", "-m", "mirror.example.com")
    words_lab.run(
        "config", "registries", "add", "mine", "https://example.com/i", "--type", "git", "--default"
    )

    found = json.loads(words_lab.run("config", "show", "--json").stdout)

    assert found == {
        "default-registry": "mine",
        "run-images": [{"image": "acme/run", "mirrors": ["a.example.com/run"]}],
        "trusted-builders": [{"name": "acme/builder"}],
        "registries": [{"name": "mine", "type": "git", "url": "https://example.com/i"}],
        "registry-mirrors": {"*": "mirror.example.com"},
    }
    assert "  acme/builder\n" in words_lab.run("config", "trusted-builders").stdout
    assert words_lab.run("config", "registries", "list").stdout == "* mine\n  official\n"
    words_lab.run("config", "registries", "remove", "mine")
    assert (
        words_lab.run("config", "registries", "default").stdout
        == "The current default registry is 'official'\n"
    )


def test_the_report_leaves_names_out_unless_asked(words_lab: Lab) -> None:
    words_lab.run("config", "default-builder", "acme/secret")
    words_lab.run("config", "registry-mirrors", "add", "reg.example.com", "-m", "mirror.example.com")

    plain, explicit = words_lab.run("report").stdout, words_lab.run("report", "-e").stdout

    assert "acme/secret" not in plain
    assert "mirror.example.com" not in plain
    assert 'default-builder-image = "[REDACTED]"' in plain
    assert 'default-builder-image = "acme/secret"' in explicit
    assert json.loads(words_lab.run("report", "--json").stdout)["os"] == "linux"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_gets_a_script(words_lab: Lab, shell: str) -> None:
    outcome = words_lab.run("completion", shell)

    assert outcome.code == 0
    assert "_PYBUILD_COMPLETE" in outcome.stdout


def test_another_shell_gets_a_sentence(words_lab: Lab) -> None:
    words_lab.run("completion", "tcsh").failed(3, "'tcsh' is no shell that can complete")


def test_bash_completes_commands_and_options(words_lab: Lab) -> None:
    def completed(*words: str) -> list[str]:
        environ = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        told = words_lab.run(_PYBUILD_COMPLETE="bash_complete", **environ)
        return [line.partition(",")[2] for line in told.stdout.splitlines()]

    assert completed("pybuild", "insp") == ["inspect"]
    assert completed("pybuild", "build", "--exec-e") == ["--exec-env"]
    assert completed("pybuild", "config", "regist") == ["registries", "registry-mirrors"]
