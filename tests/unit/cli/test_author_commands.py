"""`pybuild builder`, `buildpack` and `extension` without an engine: exit code, output and errors in one block."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.cli import Lab, Outcome

SECONDS = re.compile(r"\([0-9.]+(?:TIME| s)\)")


def text(lab: Lab, outcome: Outcome) -> str:
    """The block, with what differs from run to run made alike."""
    return SECONDS.sub("(N s)", outcome.text({str(lab.root): "<root>"}))


def new(lab: Lab, *words: str) -> str:
    """A new buildpack's folder."""
    folder = lab.root / "web"
    assert lab.run("buildpack", "new", "acme/web", "--path", str(folder), *words, "--quiet").code == 0
    return str(folder)


def test_a_new_buildpack_is_told_file_by_file(words_lab: Lab) -> None:
    outcome = words_lab.run("buildpack", "new", "acme/web", "--path", str(words_lab.root / "web"))
    again = words_lab.run("buildpack", "new", "acme/web", "--path", str(words_lab.root / "web"))

    assert text(words_lab, outcome) == (
        "exit 0\n--- stderr\n"
        "    create  buildpack.toml\n"
        "    create  bin/detect\n"
        "    create  bin/build\n"
        "    create  test/hello/app/hello.txt\n"
        "    create  test/hello/expect.toml\n"
        "    create  test/other/app/other.txt\n"
        "    create  test/other/expect.toml\n"
        "Successfully created acme/web\n"
        "Test it:  pybuild buildpack test <root>/web\n"
    )
    assert text(words_lab, again) == (
        "exit 3\n--- stderr\nERROR: directory '<root>/web' exists\n  hint: name another one with --path\n"
    )


def test_a_new_extension_is_told_as_well(words_lab: Lab) -> None:
    outcome = words_lab.run("extension", "new", "acme/curl", "--path", str(words_lab.root / "curl"))

    assert outcome.code == 0
    assert outcome.stderr.endswith("    create  bin/generate\nSuccessfully created acme/curl\n")


def test_tests_pass_and_fail_with_a_line_each(words_lab: Lab) -> None:
    folder = new(words_lab)
    passed = words_lab.run("buildpack", "test", folder)
    (words_lab.root / "web/test/other/expect.toml").write_text("")
    failed = words_lab.run("buildpack", "test", folder, "other")
    data = words_lab.run("buildpack", "test", folder, "--json")

    assert text(words_lab, passed) == (
        "exit 0\n--- stdout\npassed  hello  (N s)\npassed  other  (N s)\n\n2 of 2 tests passed\n"
    )
    assert failed.code == 1
    assert text(words_lab, failed).startswith(
        "exit 1\n--- stdout\nFAILED  other  (N s)\n    detect: expected pass, found fail (No buildpack groups passed detection.)\n"
    )
    assert "    | there is no hello.txt\n" in failed.stdout
    assert failed.stdout.endswith("\n0 of 1 tests passed\n")
    found = json.loads(data.stdout)
    assert (data.code, found["passed"]) == (1, False)
    assert [(each["name"], each["passed"]) for each in found["tests"]] == [("hello", True), ("other", False)]


def test_findings_are_told_with_place_rule_and_hint(words_lab: Lab) -> None:
    folder = new(words_lab)
    clean = words_lab.run("buildpack", "lint", folder)
    (words_lab.root / "web/bin/build").chmod(0o644)
    (words_lab.root / "web/bin/detect").write_text("exit 0\n")
    wrong = words_lab.run("buildpack", "lint", folder)
    data = words_lab.run("buildpack", "lint", folder, "--json")

    assert text(words_lab, clean) == "exit 0\n--- stdout\n<root>/web: nothing is wrong\n"
    assert text(words_lab, wrong) == (
        "exit 1\n--- stdout\n"
        "error: bin/detect:1: its first line names no interpreter [shebang]\n  hint: #!/usr/bin/env bash\n"
        "warning: bin/build: it is not marked as executable; pybuild and pack make up for that, "
        "a COPY into a builder does not [executable]\n  hint: chmod +x bin/build\n"
        "<root>/web: 1 error, 1 warning\n"
    )
    assert json.loads(data.stdout)["ok"] is False
    assert json.loads(data.stdout)["findings"][0] == {
        "severity": "error",
        "id": "shebang",
        "place": "bin/detect:1",
        "message": "its first line names no interpreter",
        "hint": "#!/usr/bin/env bash",
    }


def test_lint_test_and_package_agree_on_a_program_without_its_mode(words_lab: Lab) -> None:
    """As pack takes it: what a checkout on a file system without modes has is no error anywhere."""
    folder = new(words_lab)
    for name in ("detect", "build"):
        (words_lab.root / "web/bin" / name).chmod(0o644)

    linted = words_lab.run("buildpack", "lint", folder)
    tested = words_lab.run("buildpack", "test", folder)
    made = words_lab.run(
        "buildpack", "package", str(words_lab.root / "web.cnb"), "--path", folder, "--format", "file"
    )

    assert "0 errors, 2 warnings" in linted.stdout
    assert (linted.code, tested.code, made.code) == (0, 0, 0)


def test_a_package_in_a_file_is_made_and_shown(words_lab: Lab) -> None:
    """T2-34, T2-38: neither needs an engine."""
    folder, file = new(words_lab), str(words_lab.root / "web.cnb")

    made = words_lab.run("buildpack", "package", file, "--path", folder, "--format", "file")
    odd = words_lab.run("buildpack", "package", f"{file}.tgz", "--path", folder, "--format", "file")
    shown = words_lab.run("buildpack", "inspect", file)
    data = words_lab.run("buildpack", "inspect", file, "--json")

    assert text(words_lab, made) == (
        "exit 0\n--- stderr\nSuccessfully created package '<root>/web.cnb' and saved to file\n"
    )
    assert "'.tgz' is not a valid extension for a packaged buildpack" in odd.stderr
    assert text(words_lab, shown) == (
        "exit 0\n--- stdout\n"
        "Inspecting buildpack: '<root>/web.cnb'\n\n"
        "LOCAL ARCHIVE:\n\n"
        "Stacks:\n  ID: *\n    Mixins:\n      (omitted)\n\n"
        "Buildpacks:\n"
        "  ID              NAME        VERSION        HOMEPAGE\n"
        "  acme/web        Web         1.0.0          -\n\n"
        "Detection Order:\n └ Group #1:\n    └ acme/web@1.0.0\n"
    )
    (package,) = json.loads(data.stdout)["packages"]
    assert (package["place"], package["id"], package["description"]) == (
        "local archive",
        "acme/web",
        "What the Web buildpack does, in one line",
    )


def test_suggestions_are_a_list(words_lab: Lab) -> None:
    """T1-26."""
    outcome, data = words_lab.run("builder", "suggest"), words_lab.run("builder", "suggest", "--json")

    assert outcome.stdout.startswith("Suggested builders:\n  pybuild:")
    assert "'paketobuildpacks/builder-jammy-base'" in outcome.stdout
    assert {"vendor", "image", "description"} == set(json.loads(data.stdout)[0])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["builder", "create", "x"], 3, "builder.toml is missing"),
        (["builder", "create", "x", "-c", "none.toml"], 3, "none.toml cannot be read"),
        (["builder", "create", "x", "-c", "{root}/b.toml"], 3, "b.toml: build.image: expected the image"),
        (["builder", "create", "X", "-c", "{root}/good.toml"], 3, "has the capital letter 'X'"),
        (["builder", "create", "x", "-c", "{root}/good.toml"], 4, "there is no Docker Engine"),
        (["builder", "create", "pybuild/x", "-c", "{root}/good.toml"], 3, "are pybuild's own"),
        (
            ["builder", "create", "x", "-c", "{root}/good.toml", "--publish", "--pull-policy", "never"],
            3,
            "--publish needs images from registries",
        ),
        (
            ["builder", "create", "x", "-c", "{root}/good.toml", "--target", "arm64"],
            3,
            "'arm64' is no target",
        ),
        (["builder", "create", "x", "-c", "{root}/good.toml", "--label", "a"], 3, "'a' is no label"),
        (["builder", "create", "x", "-c", "{root}/good.toml", "--flatten", "a"], 3, "invalid format a"),
        (
            ["builder", "inspect", "localhost:1/x"],
            6,
            "unable to find builder 'localhost:1/x' locally or remotely",
        ),
        (["builder", "inspect", "x", "-o", "xml"], 2, "'xml' is not one of"),
        (["buildpack", "package", "x", "-p", "{root}"], 3, "is no buildpack: buildpack.toml cannot be read"),
        (
            ["buildpack", "package", "x", "-p", "a", "-c", "b"],
            3,
            "--config and --path cannot be used together",
        ),
        (["buildpack", "package", "x", "-f", "file", "--publish"], 3, "a file is not published"),
        (["buildpack", "package", "x", "-c", "{root}/b.toml"], 3, "b.toml: buildpack.uri: expected one of"),
        (["buildpack", "inspect", "{root}"], 3, "is the folder of a buildpack, not a package"),
        (["buildpack", "inspect", "{root}/b.toml"], 3, "b.toml"),
        (["buildpack", "pull", "nothing"], 3, "neither an image nor an id"),
        (["buildpack", "pull", "a/b", "-r", "none"], 3, "there is no buildpack registry 'none'"),
        (["buildpack", "yank", "acme/web"], 3, "invalid buildpack id@version 'acme/web'"),
        (["buildpack", "yank", "web@1.0.0"], 3, "is no id of a buildpack registry"),
        (["buildpack", "test", "{root}"], 3, "has no tests"),
        (["buildpack", "test", "{root}/wbe"], 3, "is no folder, so there is no buildpack"),
        (["buildpack", "lint", "{root}", "--quiet"], 1, ""),
        (["buildpack", "new", "a b"], 3, "'a b' is no id"),
        (["extension", "package", "x", "-p", "{root}"], 3, "is no extension: extension.toml cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(
    words_lab: Lab, words: list[str], code: int, message: str
) -> None:
    (words_lab.root / "b.toml").write_text("")
    (words_lab.root / "good.toml").write_text(
        '[build]\nimage = "b"\n[run]\n[[run.images]]\nimage = "r"\n[[order]]\n[[order.group]]\nid = "x"\n'
    )

    outcome = words_lab.run(*(word.replace("{root}", str(words_lab.root)) for word in words))

    assert outcome.code == code, outcome.text()
    if message:
        assert message in outcome.stderr
        assert "\n  hint: " in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_yanking_from_an_index_on_github_ends_at_a_form(words_lab: Lab) -> None:
    """T3-09: pack opens a browser without a word."""
    outcome = words_lab.run("buildpack", "yank", "acme/web@1.0.0")

    assert text(words_lab, outcome) == (
        "exit 0\n--- stdout\n"
        "https://github.com/buildpacks/registry-index/issues/new?body=%0Aid%20%3D%20%22acme%2Fweb%22%0A"
        "version%20%3D%20%221.0.0%22%0A&template=yank-buildpack.md&title=YANK%20acme%2Fweb%401.0.0\n"
        "--- stderr\n"
        "Open this page and submit the form; the registry official takes it from there:\n"
    )
