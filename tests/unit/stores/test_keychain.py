"""Credentials: CNB_REGISTRY_AUTH, config.json, helpers that work, fail, hang and lie (GEN-12, GEN-13, GO-80)."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidInput
from pybuild.stores import keychain
from pybuild.stores.keychain import Credential, Keychain

if TYPE_CHECKING:
    from pathlib import Path

HUB = "docker.io"


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def configured(folder: Path, config: object) -> dict[str, str]:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"Basic {basic('me', 'pass:word')}", Credential(username="me", password="pass:word")),
        ("Bearer abcd-token", Credential(registry_token="abcd-token")),
        ("X-Identity abcd-token", Credential(identity_token="abcd-token")),
    ],
)
def test_cnb_registry_auth_knows_three_kinds_and_comes_first(
    tmp_path: Path, value: str, found: Credential
) -> None:
    """GEN-12, GO-80: keys are reduced to the host's name."""
    environ = configured(tmp_path, {"auths": {"r.example.com": {"auth": basic("other", "word")}}})
    environ["CNB_REGISTRY_AUTH"] = json.dumps({"https://r.example.com/v2/": value})

    chain = Keychain(environ)

    assert chain.credential("r.example.com") == found
    assert chain.credential("elsewhere.example.com") is None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"r": 5}', '{"r": "Basic"}', '{"r": "Basic %%%"}', '{"r": "Digest abc"}']
)
def test_a_broken_cnb_registry_auth_is_an_error_that_does_not_show_it(text: str) -> None:
    with pytest.raises(InvalidInput, match="CNB_REGISTRY_AUTH cannot be used") as caught:
        Keychain({"CNB_REGISTRY_AUTH": text})

    assert "%%%" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("r.example.com", "r.example.com"),
        ("https://r.example.com", "r.example.com"),
        ("https://r.example.com/v1/", "r.example.com"),
        ("http://r.example.com:5000", "r.example.com:5000"),
        ("https://index.docker.io/v1/", HUB),
        ("docker.io", HUB),
    ],
)
def test_config_json_names_registries_in_many_ways(tmp_path: Path, key: str, registry: str) -> None:
    """GEN-13."""
    environ = configured(tmp_path, {"auths": {key: {"auth": basic("me", "word")}}})

    assert Keychain(environ).credential(registry) == Credential(username="me", password="word")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"identitytoken": "a-token", "auth": basic("0", "x")}, Credential(identity_token="a-token")),
        ({"registrytoken": "a-token"}, Credential(registry_token="a-token")),
        ({"username": "me", "password": "word"}, Credential(username="me", password="word")),
        ({"auth": "no base64"}, None),
        ({"auth": 5}, None),
        ({}, None),
        ("text", None),
    ],
)
def test_an_entry_of_config_json_may_hold_several_things(
    tmp_path: Path, entry: object, found: Credential | None
) -> None:
    environ = configured(tmp_path, {"auths": {"r.example.com": entry}})

    assert Keychain(environ).credential("r.example.com") == found


@pytest.mark.parametrize(
    "config", ["{", "[]", "", "[" * 10_000, {"auths": 5}, {"credHelpers": []}, {"credsStore": 7}]
)
def test_a_broken_config_json_leaves_us_anonymous(tmp_path: Path, config: object) -> None:
    assert Keychain(configured(tmp_path, config)).credential("r.example.com") is None


def test_without_any_configuration_we_are_anonymous(tmp_path: Path) -> None:
    """GEN-13."""
    assert Keychain({"HOME": str(tmp_path)}).credential("r.example.com") is None


def test_a_helper_is_asked_once_with_the_registry_on_its_input(tmp_path: Path) -> None:
    helper(
        tmp_path,
        "one",
        f'echo "$1 $(cat)" >>{tmp_path}/asked; echo \'{{"Username": "me", "Secret": "from helper"}}\'',
    )
    chain = Keychain(configured(tmp_path, {"credHelpers": {"r.example.com": "one"}}))

    found = [chain.credential("r.example.com") for _ in range(2)]

    assert found == [Credential(username="me", password="from helper")] * 2
    assert (tmp_path / "asked").read_text() == "get r.example.com\n"


def test_the_store_for_all_is_asked_for_docker_hub_by_its_old_name(tmp_path: Path) -> None:
    helper(
        tmp_path, "all", f'cat >{tmp_path}/asked; echo \'{{"Username": "<token>", "Secret": "identity"}}\''
    )
    chain = Keychain(configured(tmp_path, {"credsStore": "all"}))

    assert chain.credential(HUB) == Credential(identity_token="identity")
    assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    "script",
    [
        "echo 'credentials not found in native keychain'; exit 1",
        "exit 3",
        "echo no json",
        "echo '[]'",
        'echo \'{"Username": "me"}\'',
        'echo \'{"Username": 1, "Secret": "x"}\'',
        "head -c 3000000 /dev/zero",
    ],
)
def test_a_helper_that_has_nothing_or_fails_leaves_the_entry_of_the_file(tmp_path: Path, script: str) -> None:
    helper(tmp_path, "bad", script)
    auths = {"r.example.com": {"auth": basic("me", "word")}}
    chain = Keychain(configured(tmp_path, {"credsStore": "bad", "auths": auths}))

    assert chain.credential("r.example.com") == Credential(username="me", password="word")


def test_a_helper_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G3."""
    helper(tmp_path, "slow", "sleep 60 & wait")
    monkeypatch.setattr(keychain, "HELPER_SECONDS", 0.3)
    warned: list[object] = []

    with events.listening(warned.append):
        found = Keychain(configured(tmp_path, {"credsStore": "slow"})).credential("r.example.com")

    assert found is None
    assert "did not answer within" in str(warned)


@pytest.mark.parametrize("name", ["../evil", "a b", "", "no-such-helper"])
def test_a_helper_that_is_no_program_is_not_run(tmp_path: Path, name: str) -> None:
    assert Keychain(configured(tmp_path, {"credsStore": name})).credential("r.example.com") is None


def test_secrets_are_hidden_from_the_moment_they_are_known(tmp_path: Path) -> None:
    Keychain(configured(tmp_path, {"auths": {"r": {"auth": basic("me", "a-secret-word")}}})).credential("r")

    assert events.redact(f"x a-secret-word y {basic('me', 'a-secret-word')}") == "x *** y ***"
