"""Environment variables: env files, layer paths, user's and operator's values, and the lifecycle's own."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec import environ
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import EnvFile, Given

TARGET = {"CNB_TARGET_OS": "linux", "CNB_TARGET_ARCH": "arm64"}


def layer(start: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    encoded = {name: value.encode() for name, value in files.items()}
    return environ.apply(start, environ.read_env_dir(encoded, where="/l/env"))


@pytest.mark.parametrize(
    ("start", "files", "expected"),
    [
        ("", {"V": "new"}, "new"),
        ("old", {"V": "new"}, "new"),
        ("old", {"V.override": "new"}, "new"),
        ("old", {"V.append": "new"}, "oldnew"),
        ("old", {"V.append": "new", "V.delim": ":"}, "old:new"),
        ("", {"V.append": "new", "V.delim": ":"}, "new"),
        ("old", {"V.append": "", "V.delim": ":"}, "old:"),
        ("old", {"V.prepend": "new"}, "newold"),
        ("old", {"V.prepend": "new", "V.delim": "; "}, "new; old"),
        ("old", {"V.default": "new"}, "old"),
        ("", {"V.default": "new"}, "new"),
        ("old", {"V.delim": ":"}, "old"),
        ("old", {"V.unknown": "new"}, "old"),
        ("old", {"V.append~": "new", "V.APPEND": "new", "V.delim.append": "new"}, "old"),
        ("old", {"V": " new\n"}, " new\n"),
        ("old", {"V.": "new"}, "new:old"),
        ("old", {"V.": "new", "V.delim": "-"}, "new-old"),
        ("old", {"V": "N", "V.append": "A", "V.override": "O", "V.prepend": "P", "V.delim": "|"}, "P|O"),
    ],
)
def test_a_suffix_says_what_a_file_does_to_its_variable(
    start: str, files: dict[str, str], expected: str
) -> None:
    """ENV-05, ENV-06, ENV-11, GO-68."""
    assert layer({"V": start}, files)["V"] == expected


def test_a_delimiter_counts_for_its_own_directory_only() -> None:
    """ENV-11, ENV-12."""
    after_first = layer({"V": "1"}, {"V.append": "2", "V.delim": ":"})

    assert layer(after_first, {"V.append": "3"}) == {"V": "1:23"}


def test_files_count_in_the_order_of_their_names_bytes() -> None:
    found = environ.read_env_dir({"b": b"", "ü": b"", "\udcff": b"", "B": b"", ".append": b""}, where="/e")

    assert [file.name for file in found] == ["", "B", "b", "ü", "\udcff"]


def test_a_plain_file_of_the_operator_is_a_default() -> None:
    """ENV-23."""
    found = environ.read_env_dir({"V": b"1", "W.override": b"2"}, where="/e", plain="default")

    assert environ.apply({"V": "0", "W": "0"}, found) == {"V": "0", "W": "2"}


def test_undecodable_bytes_come_through_unchanged() -> None:
    (file,) = environ.read_env_dir({"V": b"\xff\xfe"}, where="/e")

    assert file.value.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@pytest.mark.parametrize(
    ("name", "value"), [("A=B", b"1"), ("A=B.append", b"1"), ("A\0", b"1"), ("A", b"1\x002")]
)
def test_a_file_that_no_program_can_be_given_is_refused_by_name(name: str, value: bytes) -> None:
    """S-37."""
    with pytest.raises(InvalidFile, match=r"/layers/bp/l/env\.launch/A"):
        environ.read_env_dir({name: value}, where="/layers/bp/l/env.launch")
    with pytest.raises(InvalidFile, match="/platform/env/A"):
        environ.read_user_variables({name: value}, where="/platform/env")


def test_a_file_with_no_effect_may_have_any_name() -> None:
    assert environ.read_env_dir({"A=B.txt": b"\0"}, where="/e") == ()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A=B",
        "sp ace",
        "new\nline",
        "A\0",
        "../../../workspace/envslip",
        "a/b",
        ".",
        "..",
        "\x7f",
        "A" * 256,
    ],
)
def test_a_user_cannot_set_a_variable_with_a_hostile_name(name: str) -> None:
    """S-04, S-05."""
    with pytest.raises(InvalidInput, match="cannot be the name of an environment variable"):
        environ.check_user_variable(name, "v")


@pytest.mark.parametrize("name", ["A", "a_B1", "BP_JVM.VERSION", "WITH-DASH", "ü"])
def test_a_user_can_set_any_other(name: str) -> None:
    assert environ.check_user_variable(name, "any\nvalue ü") is None  # type: ignore[func-returns-value]


def test_a_user_cannot_set_a_value_that_no_program_can_be_given() -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        environ.check_user_variable("A", "\0")
    with pytest.raises(InvalidInput, match="longer than 131071 bytes"):
        environ.check_user_variable("A", "x" * 131070)


def test_layer_directories_go_in_front_of_their_variables() -> None:
    """ENV-01."""
    present = ("bin", "lib", "include", "pkgconfig", "share")

    found = environ.with_layer_paths({"PATH": "/bin", "CPATH": ""}, "/layers/a/l", present)

    assert found == {
        "PATH": "/layers/a/l/bin:/bin",
        "LD_LIBRARY_PATH": "/layers/a/l/lib",
        "LIBRARY_PATH": "/layers/a/l/lib",
        "CPATH": "/layers/a/l/include",
        "PKG_CONFIG_PATH": "/layers/a/l/pkgconfig",
    }


def test_at_launch_only_programs_and_libraries_have_paths() -> None:
    """ENV-02."""
    found = environ.with_layer_paths({}, "/l", ("bin", "lib", "include"), environ.LAUNCH_PATHS)

    assert found == {"PATH": "/l/bin", "LD_LIBRARY_PATH": "/l/lib"}


def test_a_users_value_replaces_all_but_paths() -> None:
    """ENV-20, ENV-21."""
    variables = environ.read_user_variables(
        {"PATH": b"/u", "CPATH": b"/i", "V.append": b"1", "HOME": b"/h\n"}, where="/e"
    )

    found = environ.with_user_variables({"PATH": "/bin", "HOME": "/root"}, variables)

    assert found == {"PATH": "/u:/bin", "CPATH": "/i", "V.append": "1", "HOME": "/h\n"}


def test_buildpacks_see_a_fixed_part_of_the_containers_environment() -> None:
    """GO-67."""
    seen = {"PATH": "/bin", "HOME": "/h", "https_proxy": "p", "CNB_STACK_ID": "s", "CPATH": ""}

    assert environ.from_container({**seen, "SECRET": "1", "CNB_PLATFORM_API": "0.12", "TMPDIR": "/t"}) == seen


def given(**changes: object) -> Given:
    values: dict[str, object] = {
        "platform_dir": "/platform",
        "user": {},
        "target": TARGET,
        "exec_env": "test",
    }
    return Given(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        (7, {}),
        (8, {"CNB_PLATFORM_DIR": "/platform", "CNB_BUILD_PLAN_PATH": "/p"}),
        (10, {"CNB_PLATFORM_DIR": "/platform", "CNB_BUILD_PLAN_PATH": "/p", **TARGET}),
        (
            12,
            {"CNB_PLATFORM_DIR": "/platform", "CNB_BUILD_PLAN_PATH": "/p", **TARGET, "CNB_EXEC_ENV": "test"},
        ),
    ],
)
def test_detect_is_told_where_things_are(minor: int, expected: dict[str, str]) -> None:
    """DET-02."""
    api = ApiVersion(0, minor)

    seen = environ.detect_environ({}, given(), api=api, clear_env=False, module_dir="/bp", plan_path="/p")
    of_extension = environ.detect_environ(
        {}, given(), api=api, clear_env=False, module_dir="/x", plan_path="/p", extension=True
    )

    assert seen == {"CNB_BUILDPACK_DIR": "/bp", **expected}
    assert of_extension == {"CNB_EXTENSION_DIR": "/x", **expected}
    assert environ.detect_arguments(given(), plan_path="/p") == ("/platform", "/p")


def test_build_is_told_where_things_are() -> None:
    """BUI-02."""
    arguments = {"clear_env": False, "module_dir": "/bp", "layers_dir": "/layers/bp", "plan_path": "/p"}

    old = environ.build_environ({}, given(), api=ApiVersion(0, 7), **arguments)  # type: ignore[arg-type]
    new = environ.build_environ({}, given(exec_env=""), api=ApiVersion(0, 12), **arguments)  # type: ignore[arg-type]

    assert old == {"CNB_BUILDPACK_DIR": "/bp"}
    assert new == {
        "CNB_BUILDPACK_DIR": "/bp",
        "CNB_PLATFORM_DIR": "/platform",
        "CNB_BP_PLAN_PATH": "/p",
        "CNB_LAYERS_DIR": "/layers/bp",
        **TARGET,
    }
    assert environ.build_arguments(given(), layers_dir="/layers/bp", plan_path="/p") == (
        "/layers/bp",
        "/platform",
        "/p",
    )


def test_nobody_can_change_the_lifecycles_own_variables_and_operators_come_last() -> None:
    """GEN-20, ENV-22, ENV-23, ENV-24: clear-env hides the user's variables, never the operator's."""
    operator = (
        EnvFile(name="V", action="append", value="operator", delimiter=","),
        EnvFile(name="CNB_TARGET_OS", action="override", value="plan9"),
    )
    they = given(user={"V": "user", "CNB_BUILDPACK_DIR": "/user"}, operator=operator)

    def seen(clear_env: bool) -> dict[str, str]:
        return environ.detect_environ(
            {"V": "layer"}, they, api=ApiVersion(0, 10), clear_env=clear_env, module_dir="/bp", plan_path="/p"
        )

    assert seen(False)["V"] == "user,operator"
    assert seen(True)["V"] == "layer,operator"
    assert seen(False)["CNB_BUILDPACK_DIR"] == "/bp"
    assert seen(False)["CNB_TARGET_OS"] == "linux"


def test_a_variable_that_is_too_long_for_linux_is_named() -> None:
    with pytest.raises(InvalidInput, match="variable PATH is longer than 131071 bytes"):
        environ.detect_environ(
            {"PATH": "/x" * 65536},
            given(),
            api=ApiVersion(0, 7),
            clear_env=False,
            module_dir="/bp",
            plan_path="/p",
        )
