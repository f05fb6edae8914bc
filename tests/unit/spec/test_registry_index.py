"""Buildpack registries: ids, paths, lines and which one is meant (REG-01 to REG-04)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec.registry_index import RegistryEntry, RegistryId, choose, precedence, read_entries

DIGEST = "sha256:" + "a" * 64


def entry(version: str, *, yanked: bool = False, address: str = f"example.com/bp@{DIGEST}") -> RegistryEntry:
    return RegistryEntry(namespace="acme", name="web", version=version, address=address, yanked=yanked)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("acme/web", ("acme", "web", "")),
        ("a-c.me/w-e.b@1.2.3-rc.1+x", ("a-c.me", "w-e.b", "1.2.3-rc.1+x")),
        ("a/" + "b" * 253, ("a", "b" * 253, "")),
    ],
)
def test_an_id_has_a_namespace_and_a_name(word: str, expected: tuple[str, str, str]) -> None:
    """REG-01."""
    found = RegistryId.parse(word)

    assert (found.namespace, found.name, found.version) == expected
    assert str(found) == word


@pytest.mark.parametrize(
    "word",
    [
        "web",
        "a/b/c",
        "Acme/web",
        "acme/we_b",
        "/web",
        "acme/",
        "a/" + "b" * 254,
        "../web",
        "acme/..",
        "acme/web@latest",
        "a/b\n",
    ],
)
def test_what_is_no_id_is_refused(word: str) -> None:
    """REG-01: exactly one slash, lower-case letters, digits, dash and dot, 253 at most."""
    with pytest.raises(InvalidInput) as caught:
        RegistryId.parse(word)

    assert caught.value.hint
    assert not RegistryId.looks_like(word)


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("acme/w", "1/acme_w"),
        ("acme/we", "2/acme_we"),
        ("acme/web", "3/we/acme_web"),
        ("acme/java", "ja/va/acme_java"),
        ("acme/nodejs-engine", "no/de/acme_nodejs-engine"),
    ],
)
def test_the_file_of_a_buildpack_is_found_by_its_name(word: str, path: str) -> None:
    """REG-02."""
    assert RegistryId.parse(word).path == path


def test_a_line_is_one_minified_object() -> None:
    """REG-03."""
    made = entry("1.0.0")

    assert made.write() == (
        f'{{"ns":"acme","name":"web","version":"1.0.0","yanked":false,"addr":"example.com/bp@{DIGEST}"}}\n'
    )
    assert read_entries((made.write() * 2).encode() + b"\n", "file") == (made, made)


@pytest.mark.parametrize(
    "line", [b"[]", b"{", b'{"ns":"a"}', b'{"ns":"a","name":"b","version":"1.0.0","addr":1,"yanked":false}']
)
def test_a_broken_line_is_named(line: bytes) -> None:
    """REG-03."""
    with pytest.raises(InvalidFile, match="index: line 2"):
        read_entries(entry("1.0.0").write().encode() + line, "index")


def test_the_highest_version_that_nobody_yanked_is_taken() -> None:
    """REG-04; pack takes a yanked one too."""
    entries = [entry("1.10.0"), entry("1.9.0"), entry("2.0.0-rc.1"), entry("2.0.0", yanked=True)]

    assert choose(entries, RegistryId.parse("acme/web"), "it").version == "2.0.0-rc.1"
    assert choose(entries, RegistryId.parse("acme/web@1.9.0"), "it").version == "1.9.0"


def test_a_later_line_takes_the_place_of_an_earlier_one() -> None:
    entries = [entry("1.0.0", yanked=True), entry("1.0.0")]

    assert choose(entries, RegistryId.parse("acme/web@1.0.0"), "it") == entry("1.0.0")


@pytest.mark.parametrize(
    ("word", "entries", "message"),
    [
        ("acme/web@3.0.0", [entry("1.0.0")], "has no version 3.0.0"),
        ("acme/web@1.0.0", [entry("1.0.0", yanked=True)], "has been yanked"),
        ("acme/web", [entry("1.0.0", yanked=True)], "no usable version"),
        ("acme/other", [entry("1.0.0")], "no usable version"),
        ("acme/web", [entry("1.0.0", address="example.com/bp:1")], "has no digest"),
    ],
)
def test_nothing_is_taken_that_is_not_meant(word: str, entries: list[RegistryEntry], message: str) -> None:
    """REG-03: the address is a digest."""
    with pytest.raises(InvalidInput, match=message) as caught:
        choose(entries, RegistryId.parse(word), "the registry")

    assert caught.value.hint


def test_versions_are_sorted_as_semver_says() -> None:
    order = [
        "bad",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0",
        "1.2.0",
        "1.10.0",
    ]

    shuffled = [order[at] for at in (3, 8, 0, 6, 2, 7, 1, 5, 4)]

    assert sorted(shuffled, key=precedence) == order
