"""Image names by Docker's rules, and what is said about wrong ones (GO-98)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidReference
from pybuild.oci.reference import Reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "name", "familiar"),
    [
        ("myapp", "docker.io/library/myapp:latest", "myapp:latest"),
        ("myapp:1.0", "docker.io/library/myapp:1.0", "myapp:1.0"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("x/y", "docker.io/x/y:latest", "x/y:latest"),
        ("docker.io/myapp", "docker.io/library/myapp:latest", "myapp:latest"),
        ("index.docker.io/team/app:2", "docker.io/team/app:2", "team/app:2"),
        ("library/myapp", "docker.io/library/myapp:latest", "myapp:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("registry.example.com/a/b__c/d-e.f:T_1", "registry.example.com/a/b__c/d-e.f:T_1", None),
        ("[::1]:5000/app", "[::1]:5000/app:latest", None),
        (f"myapp@{DIGEST}", f"docker.io/library/myapp@{DIGEST}", f"myapp@{DIGEST}"),
        (f"r.example/app:1@{DIGEST}", f"r.example/app:1@{DIGEST}", None),
    ],
)
def test_a_name_is_completed_as_docker_does(text: str, name: str, familiar: str | None) -> None:
    reference = Reference.parse(text)

    assert reference.name == name
    assert reference.familiar == (familiar or name)
    assert str(reference) == reference.familiar
    assert Reference.parse(reference.name) == Reference.parse(reference.familiar) == reference


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MyApp", "capital letter 'M': write 'myapp'"),
        ("My App", "character ' '; letters, digits and . _ - are allowed"),
        ("my app", "character ' '"),
        ("team/übung", "character 'ü'"),
        ("app\n", "character '\\\\n'"),
        ("app\0x", "character"),
        ("app:1 0", "tag '1 0' has the character ' '"),
        ("app:", "tag '' is empty"),
        ("app:" + "t" * 129, "longer than 128"),
        ("", "is empty"),
        ("a//b", "is empty"),
        ("/app", "is empty"),
        ("team/", "is empty"),
        ("-app", "must begin and end"),
        ("a..b", "must begin and end"),
        ("../../etc", "no registry"),
        ("host:port/app", "no registry"),
        ("a" * 250 + "/b", "longer than 255"),
        ("0123456789abcdef" * 4, "an image's id"),
        ("app@sha256:123", "after @"),
        ("app@" + DIGEST.upper(), "after @"),
        ("https://example.com/app", "is no image name"),
    ],
)
def test_a_wrong_name_is_refused_with_the_reason_and_an_example(text: str, said: str) -> None:
    with pytest.raises(InvalidReference, match=said) as caught:
        Reference.parse(text)

    assert "example" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("busybox", "index.docker.io/library/busybox/latest"),
        ("acme/app:1", "index.docker.io/acme/app/1"),
        ("registry.example.com:5000/a/b/c:2", "registry.example.com:5000/a/b/c/2"),
        ("ghcr.io/a/b@sha256:" + "0" * 64, "ghcr.io/a/b/sha256/" + "0" * 64),
    ],
)
def test_a_name_is_a_path_in_a_folder_of_layouts(name: str, path: str) -> None:
    """GEN-11."""
    assert Reference.parse(name).layout_path == path
