"""The compiled launcher, run: what the recordings of the Go launcher do not hold."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild.spec.api import PLATFORM_APIS
from pybuild.spec.launch import Process

if TYPE_CHECKING:
    from unit.launcher.apps import App

EVERY_BYTE = bytes(range(1, 256))
HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    ";touch pwned",
    "'; touch pwned; '",
    "\n touch pwned\n",
    "\\",
    '"',
    "*",
]


def in_all(app: App) -> set[str]:
    """Names that bash hands to every program, as /bin/sh too."""
    return {"_", "SHLVL"} if "bash" in app.shell else set()


def test_the_process_has_the_containers_environment_and_nothing_else(app: App) -> None:
    """LCH-11, LCH-12, GO-77."""
    given = {"HOME": "/root", "EMPTY": "", "CNB_STACK_ID": "x", "CNB_DEPRECATION_MODE": "quiet"}

    done = app.launch(environ=given)

    assert done.environ.keys() - in_all(app) == {"PATH", "HOME", "EMPTY", "CNB_STACK_ID"}
    assert done.environ["PATH"] == "/usr/bin:/bin"
    assert done.files == [0, 1, 2, 3]  # 3: the listing itself
    assert done.same_process


@pytest.mark.parametrize(
    "name", ["FOO-BAR", "spring.datasource.url", "9LIVES", "é", "cnb_kept", "BASH_FUNC_x%%"]
)
def test_variables_that_a_shell_cannot_hold_reach_the_process(app: App, name: str) -> None:
    done = app.launch(environ={name: "a'b\n\"c$(id)\n"})

    assert done.environ[name] == "a'b\n\"c$(id)\n"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "IFS", "PPID", "UID", "LINENO", "RANDOM"])
def test_variables_that_a_shell_would_change_reach_the_process_as_given(app: App, name: str) -> None:
    done = app.launch("a b", environ={name: "x y"})

    assert done.environ[name] == "x y"
    assert done.argv == ["a b"]


@pytest.mark.parametrize("here", [True, False], ids=["here", "unread"])
@pytest.mark.parametrize("name", ["PLAIN", "FOO-BAR", "IFS"])
def test_values_keep_every_byte(app: App, name: str, here: bool) -> None:
    app.file(f"acme_app/a/env/{name}.append", EVERY_BYTE)
    app.file(f"acme_app/a/env/{name}.delim", b"'\n")
    app.file(f"acme_app/b/env/{name}.prepend", b"\n\n")

    done = app.launch(environ={name: "old"}, here=here)

    assert done.environ[name] == "\n\nold'\n" + EVERY_BYTE.decode("utf-8", "surrogateescape")


def test_operations_find_the_old_value_of_a_variable_that_the_shell_cannot_hold(app: App) -> None:
    """ENV-06, ENV-11."""
    app.file("acme_app/a/env/a.b.append", "never used: the name is a")
    app.file("acme_app/a/env/FOO-BAR.append", "2")
    app.file("acme_app/a/env/FOO-BAR.delim", ":")
    app.file("acme_app/a/env/NEW-ONE.default", "n")
    app.file("acme_app/b/env/FOO-BAR.prepend", "0")
    app.file("acme_app/b/env/FOO-BAR.default", "unused")

    done = app.launch(environ={"FOO-BAR": "1"})

    assert done.environ["FOO-BAR"] == "01:2"
    assert done.environ["NEW-ONE"] == "n"


def test_libraries_of_layers_are_for_the_app_even_when_env_starts_it(app: App) -> None:
    (app.layers / "acme_app/a/lib").mkdir(parents=True)

    done = app.launch(environ={"FOO-BAR": "1", "LD_LIBRARY_PATH": "/x"})

    assert done.environ["LD_LIBRARY_PATH"] == f"{app.layers}/acme_app/a/lib:/x"


def test_a_command_with_an_equals_sign_is_no_variable(app: App) -> None:
    program = app.file("a=b", "#!/bin/sh\nexec " + " ".join(app.show) + ' "$@"\n')
    app.processes[0] = replace(app.processes[0], command=(str(program),))

    done = app.launch("x", environ={"FOO.BAR": "1"})

    assert done.argv == ["x"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_user_says_is_never_shell_source(app: App, text: str) -> None:
    """S-39."""
    done = app.launch(text, environ={"A": text, "FOO-BAR": text, "CNB_PROCESS_TYPE": "../../bin/sh"})

    assert done.argv == [text]
    assert (done.environ["A"], done.environ["FOO-BAR"]) == (text, text)
    assert not list(app.root.rglob("pwned"))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_buildpack_says_is_never_shell_source(app: App, text: str) -> None:
    """S-39."""
    layer = text.replace("/", "")
    app.buildpacks = {"acme/app": "0.10"}
    app.processes[0] = replace(app.processes[0], command=(*app.show, text), args=(text,))
    app.processes.append(replace(app.processes[0], type=f"other{text}", working_dir=text, buildpack_id=text))
    app.file(f"acme_app/{layer}/env/A", text)
    app.file(f"acme_app/{layer}/env/{layer}.append", text)
    app.file(f"acme_app/{layer}/env/B.append", text)
    app.file(f"acme_app/{layer}/env/B.delim", text)
    (app.layers / f"acme_app/{layer}/bin").mkdir()

    done = app.launch(environ={"B": "b"})

    assert done.argv == [text, text]
    assert done.environ["A"] == text
    assert done.environ["B"] == f"b{text}{text}"
    assert done.environ[layer.partition(".")[0]] == text
    assert done.environ["PATH"] == f"{app.layers}/acme_app/{layer}/bin:/usr/bin:/bin"
    assert not list(app.root.rglob("pwned"))


@pytest.mark.parametrize("text", HOSTILE)
def test_paths_of_profile_scripts_are_never_shell_source(app: App, text: str) -> None:
    """S-39, LCH-10."""
    app.processes[0] = replace(app.processes[0], direct=False, command=(" ".join(app.show),))
    app.file(f"acme_app/{text}/profile.d/{text}", "export A=1\n")

    done = app.launch()

    assert done.environ["A"] == "1"
    assert not list(app.root.rglob("pwned"))


@pytest.mark.parametrize("api", ["$(touch pwned)", "0.12; touch pwned", "*", "0.*", "0.1", "1"])
def test_platform_apis_that_nobody_knows_are_refused(app: App, api: str) -> None:
    """S-39, LCH-13."""
    done = app.launch(environ={"CNB_PLATFORM_API": api})

    assert done.status == 11
    assert done.errors.startswith("ERROR: failed to ")
    assert not list(app.root.rglob("pwned"))


@pytest.mark.parametrize("api", [str(api) for api in PLATFORM_APIS])
def test_every_platform_api_that_we_speak_is_taken(app: App, api: str) -> None:
    assert app.launch("x", environ={"CNB_PLATFORM_API": api}).argv == ["x"]


def test_directories_given_at_run_time_may_be_called_anything(app: App) -> None:
    for name in ("-", "a'b$(touch pwned)"):
        app.root.joinpath("app", name).mkdir()

        done = app.launch(environ={"CNB_APP_DIR": str(app.root / "app" / name), "CDPATH": "/"})

        assert done.cwd == str(app.root / "app" / name)
    app.processes[0] = replace(app.processes[0], working_dir="-")
    app.root.joinpath("app/-").rmdir()
    assert app.launch().status == 82
    assert not list(app.root.rglob("pwned"))


def test_a_missing_interpreter_is_an_error_of_the_launcher(app: App) -> None:
    """LCH-13."""
    program = app.file("broken", "#!/no/such/interpreter\n")
    app.processes[0] = replace(app.processes[0], command=(str(program),))

    assert app.launch().status == 82


def test_a_process_ends_up_with_the_standard_input_and_outputs_of_the_launcher_only(app: App) -> None:
    app.file("acme_app/a/exec.d/x", "#!/bin/sh\necho 'A = \"1\"' >&3\n")

    done = app.launch()

    assert done.environ["A"] == "1"
    assert done.files == [0, 1, 2, 3]


def test_processes_of_other_types_have_their_own_environment(app: App) -> None:
    """ENV-04."""
    app.processes.append(replace(app.processes[0], type="worker"))
    app.file("acme_app/a/env.launch/worker/A", "worker")
    app.file("acme_app/a/env.launch/web/A", "web")

    assert app.launch(kind="worker").environ["A"] == "worker"
    assert app.launch(kind="web").environ["A"] == "web"
    assert "A" not in app.launch("--", *app.show, kind="launcher").environ


def test_metadata_that_is_not_in_the_image_is_an_error(app: App) -> None:
    done = app.launch(environ={"CNB_LAYERS_DIR": "/no/such"})

    assert (done.status, done.errors.split(":")[1]) == (1, " failed to read metadata")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n \t\r\n",
        'A = "1"',
        "A='1'\nB-C = '2' # end\n",
        'A\t=\t"x\\"y\\\\z"\r\n"B.C" = \'"\'\n',
        "'x y' = \"a#b=c\"\n",
        'A = "\\b\\t\\n\\f\\r\\u00e9\\U0001F600\\u000a"\n',
        "A = \"\"\"\"\"\"\nB = ''''''\n",
        'A = """\nl1\nl2"""\nB = """a""b"""\nC = """"x"""""\n',
        "A = '''\na\\b'c''d'''\nB = ''''x'''''\n",
        'A = """a \\\n\n   b\\\n"""\n',
        'A = """x\\"""y"""\n',
        'A = "$(id)`id`;${PATH}\'"\n',
        'A = "é✓"\n"é" = "k"\n',
    ],
)
def test_exec_d_output_means_what_toml_says(app: App, text: str) -> None:
    """LCH-09."""
    app.file("out", text)
    app.file("acme_app/a/exec.d/x", f"#!/bin/sh\ncat {app.layers}/out >&3\n")

    done = app.launch()

    assert done.status == 0, done.errors
    assert {k: v for k, v in done.environ.items() if k not in {"PATH"} | in_all(app)} == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "A =",
        "A = 1",
        "A = x",
        'A = "x',
        'A = "x\ny"',
        'A = "x" y',
        'A = "x" B = "y"',
        'A = "x"\nA = "y"',
        'A = "\\q"',
        'A = "\\u12"',
        'A = "\\ud800"',
        'A = "\\U00110000"',
        'A = "\\u0000"',
        'A = """x',
        "A = '''x''",
        'A = ["x"]',
        'A = {b = "x"}',
        'a.b = "x"',
        '[t]\na = "x"',
        '"A=B" = "x"',
        '"" = "x"',
        '"""A""" = "x"',
        '$(touch pwned) = "x"',
        'A = "x";touch pwned',
    ],
)
def test_exec_d_output_that_is_not_pairs_of_strings_is_refused(app: App, text: str) -> None:
    """LCH-09, S-39."""
    app.file("out", text)
    app.file("acme_app/a/exec.d/x", f"#!/bin/sh\ncat {app.layers}/out >&3\n")

    done = app.launch()

    assert done.status == 82
    assert f"{app.layers}/acme_app/a/exec.d/x" in done.errors
    assert not list(app.root.rglob("pwned"))


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 3\n", "#!/no/such/interpreter\n", "not executable"])
def test_an_exec_d_program_that_fails_stops_the_launch(app: App, content: str) -> None:
    """LCH-09."""
    app.file("acme_app/a/exec.d/x", content)

    assert app.launch().status == 82


def test_exec_d_programs_keep_their_own_output_apart(app: App) -> None:
    app.file("acme_app/a/exec.d/x", "#!/bin/sh\necho 'A = \"1\"' >&3\necho told >&2\necho 'B = \"2\"'\n")
    app.processes.append(
        Process(type="quiet", command=("/usr/bin/printenv", "A"), buildpack_id="acme/app"),
    )

    done = app.launch(kind="quiet")

    assert done.errors == 'B = "2"\n1\ntold\n'


def test_what_is_to_run_in_a_shell_runs_in_bash(app: App) -> None:
    """GEN-21, LCH-05."""
    done = app.launch("if [[ ab == a* ]]; then exit $((40 + ${#BASH_VERSINFO[@]})); fi", kind="launcher")

    assert (done.status, done.errors) == (46, "")
