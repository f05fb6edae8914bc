"""project.toml: PRJ-01 to PRJ-12, T1-21 to T1-23."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec.project import GroupEntry, Project, Script, check_workspace


def read(text: str) -> Project:
    return Project.read(text.encode())


def test_schema_0_2_is_read_whole() -> None:
    """PRJ-03, PRJ-05, PRJ-09, PRJ-11."""
    project = read(
        """
        [_]
        schema-version = "0.2"
        id = "com.example.app"
        name = "App"
        version = "1"
        authors = ["A"]
        documentation-url = "https://example.com/doc"
        source-url = "https://example.com/src"
        [[_.licenses]]
        type = "MIT"
        [_.metadata.cdn]
        url = "https://cdn.example.com"

        [io.buildpacks]
        builder = "acme/builder"
        exclude = ["spec/"]
        [[io.buildpacks.group]]
        id = "acme/php"
        version = "1.2"
        [[io.buildpacks.group]]
        uri = "bp"
        [[io.buildpacks.pre.group]]
        id = "acme/first"
        [[io.buildpacks.post.group]]
        id = "acme/last"
          [io.buildpacks.post.group.script]
          api = "0.10"
          inline = "echo hi"
        [[io.buildpacks.build.env]]
        name = "A"
        value = "1"
        [io.buildpacks.pybuild]
        workspace = "/var/www/"
        """
    )

    assert project.schema == "0.2"
    assert (project.id, project.name, project.version, project.authors) == (
        "com.example.app",
        "App",
        "1",
        ("A",),
    )
    assert project.metadata == {"cdn": {"url": "https://cdn.example.com"}}
    assert project.builder == "acme/builder"
    assert project.exclude == ("spec/",)
    assert project.group == (GroupEntry(id="acme/php", version="1.2"), GroupEntry(uri="bp"))
    assert project.pre == (GroupEntry(id="acme/first"),)
    assert project.post == (
        GroupEntry(id="acme/last", script=Script(api="0.10", inline="echo hi", shell="/bin/sh")),
    )
    assert project.env == {"A": "1"}
    assert project.workspace == "/var/www"
    assert project.warnings == ()


def test_schema_0_1_is_read_whole() -> None:
    """T1-21; PRJ-02: a file without schema version is of 0.1, and says so."""
    project = read(
        """
        [project]
        id = "x"
        source-url = "https://example.com"
        [build]
        include = ["*.go"]
        builder = "acme/builder"
        [[build.buildpacks]]
        id = "acme/php"
        [[build.env]]
        name = "A"
        value = "1"
        [metadata]
        foo = "bar"
        """
    )

    assert (project.schema, project.id, project.include, project.builder) == (
        "0.1",
        "x",
        ("*.go",),
        "acme/builder",
    )
    assert project.group == (GroupEntry(id="acme/php"),)
    assert (project.env, project.metadata) == ({"A": "1"}, {"foo": "bar"})
    assert project.warnings == (
        "No schema version declared in project.toml, defaulting to schema version 0.1",
    )


def test_schema_0_3_takes_variables_for_one_execution_environment() -> None:
    """PRJ-12."""
    project = read(
        """
        _ = { schema-version = "0.3" }
        [[io.buildpacks.build.env]]
        name = "A"
        value = "always"
        [[io.buildpacks.build.env]]
        name = "B"
        value = "test only"
        exec-env = ["test"]
        """
    )

    assert project.environ() == {"A": "always"}
    assert project.environ("test") == {"A": "always", "B": "test only"}


def test_the_first_spelling_of_variables_in_0_2_still_counts() -> None:
    project = read(
        """
        _ = { schema-version = "0.2" }
        [[io.buildpacks.env.build]]
        name = "A"
        value = "old"
        [[io.buildpacks.env.build]]
        name = "B"
        value = "old"
        [[io.buildpacks.build.env]]
        name = "A"
        value = "new"
        """
    )

    assert project.env == {"A": "new", "B": "old"}


def test_keys_without_meaning_are_named_in_a_warning_and_other_domains_are_not() -> None:
    """T1-22, PRJ-04."""
    project = read(
        """
        _ = { schema-version = "0.2", colour = "red" }
        [io.buildpacks]
        bilder = "x"
        [[io.buildpacks.group]]
        id = "a/b"
        ver = "1"
        [com.example]
        any = 1
        """
    )

    (warning,) = project.warnings
    assert warning.startswith(
        "The following keys declared in project.toml are not supported in schema version 0.2:"
    )
    assert warning.endswith(": _.colour, io.buildpacks.bilder, io.buildpacks.group[0].ver")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('_ = {schema-version = "0.2"}\n[io.buildpacks]\ninclude=["a"]\nexclude=["b"]', "found both"),
        ('[build]\ninclude=["a"]\nexclude=["b"]', "found both"),
        ('_ = {schema-version = "9.9"}', "'9.9' is not supported"),
        ('_ = {schema-version = "0.2", licenses = [{}]}', "_.licenses[0]: expected type or uri"),
        ('[[build.buildpacks]]\nversion = "1"', "build.buildpacks[0]: expected id or uri"),
        ('[[build.buildpacks]]\nid="a/b"\nversion="1"\nuri="x"', "expected one of version, uri and script"),
        ('[[build.buildpacks]]\nid="a/b"\nscript={api="0.5"}', "script.inline: expected a string"),
        ('[[build.buildpacks]]\nid="a/b"\nscript={inline="x"}', "script.api: expected a string"),
        ('[[build.buildpacks]]\nid="a/b"\nscript={api="0.5",inline="x",shell="sh\\nevil"}', "shell"),
        ('[[build.buildpacks]]\nid="../../../../tmp/x y"', "is no id"),
        ("[build]\nbuilder = 7", "build.builder: expected a string, found integer 7"),
        (
            '_ = {schema-version = "0.2"}\n[io.buildpacks.pybuild]\nworkspace = "/etc/x"',
            "cannot hold the app",
        ),
        ("a = [", "line 1"),
    ],
)
def test_a_descriptor_that_breaks_the_rules_is_refused_with_its_place(text: str, message: str) -> None:
    """PRJ-06, PRJ-08, PRJ-09, T1-23, S-14."""
    with pytest.raises(InvalidFile) as caught:
        read(text)

    assert "project.toml" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["../../../workspace/envslip", "A=B", "sp ace", "", "A\\nB"])
def test_a_variable_whose_name_is_none_is_refused(name: str) -> None:
    """S-04, S-05."""
    with pytest.raises(InvalidFile, match="cannot be the name"):
        read(f'[[build.env]]\nname = "{name}"\nvalue = "v"')


@pytest.mark.parametrize(
    "data",
    [b"a = " + b"[" * 200_000, b'x = "' + b"a" * (60 << 20) + b'"', b'x = "\xff\xfe"'],
    ids=["nesting", "size", "encoding"],
)
def test_hostile_text_ends_in_a_clear_error(data: bytes) -> None:
    """S-16."""
    with pytest.raises(InvalidFile, match=r"project\.toml"):
        Project.read(data)


@pytest.mark.parametrize("text", ["workspace", "/", "/cnb", "/layers/x", "/a/../b", "/a:b", "/a\n", "//"])
def test_the_app_cannot_live_just_anywhere(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot hold the app"):
        check_workspace(text, "--workspace")


def test_a_workspace_is_normalised() -> None:
    assert check_workspace("/var//www/", "--workspace") == "/var/www"
