"""What authors of buildpacks have: a folder to begin with, tests without an engine, and a linter (issue 5, 7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybuild.errors import BuildpackApiUnsupported, InvalidFile, InvalidInput
from pybuild.platform.buildpacks.buildpack_tests import cases, run
from pybuild.platform.buildpacks.lint import Finding, lint
from pybuild.platform.buildpacks.scaffold import Language, Scaffold, make
from pybuild.spec.fixture import Fixture
from pybuild.spec.target import Distro, TargetSpec

ROOT = Path(__file__).parents[4]


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A new buildpack in sh."""
    make(Scaffold(id="acme/hello", path=tmp_path / "hello"))
    return tmp_path / "hello"


@pytest.mark.parametrize("lang", ["sh", "python"])
def test_a_new_buildpack_is_sound_and_passes_its_tests(tmp_path: Path, lang: Language) -> None:
    folder = tmp_path / "web"

    files = make(Scaffold(id="acme/web", path=folder, lang=lang))

    assert {"buildpack.toml", "bin/detect", "bin/build"} <= set(files)
    assert lint(folder) == ()
    results = [run(folder, case) for case in cases(folder)]
    assert [(each.name, each.problems) for each in results] == [("hello", ()), ("other", ())]
    assert "Web buildpack" in results[0].output


def test_a_new_extension_is_sound(tmp_path: Path) -> None:
    """pack's makes nothing and says so with success."""
    files = make(Scaffold(id="acme/curl", path=tmp_path / "curl", kind="extension"))

    assert files == ("extension.toml", "bin/detect", "bin/generate")
    assert lint(tmp_path / "curl") == ()


def test_a_new_buildpack_says_what_was_asked_for(tmp_path: Path) -> None:
    target = TargetSpec(os="linux", arch="arm64", distros=(Distro(name="debian", version="12"),))

    make(Scaffold(id="acme/one.two", path=tmp_path / "x", api="0.10", version="2.3.4", targets=(target,)))

    assert (tmp_path / "x/buildpack.toml").read_text() == (
        'api = "0.10"\n\n[buildpack]\n  id = "acme/one.two"\n  version = "2.3.4"\n  name = "One.Two"\n'
        '  description = "What the One.Two buildpack does, in one line"\n\n[[targets]]\n  os = "linux"\n'
        '  arch = "arm64"\n\n  [[targets.distros]]\n    name = "debian"\n    version = "12"\n'
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"id": "a b"}, InvalidFile),
        ({"id": ".."}, InvalidFile),
        ({"api": "0.6"}, BuildpackApiUnsupported),
        ({"version": "1/2"}, InvalidFile),
        ({"path": "."}, InvalidInput),
    ],
)
def test_nothing_is_made_of_what_is_wrong(
    tmp_path: Path, words: dict[str, str], error: type[Exception]
) -> None:
    given = {"id": "acme/x", "path": "x", **words}

    with pytest.raises(error):
        make(Scaffold(**{**given, "path": tmp_path / given["path"]}))  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def expect(hello: Path, text: str) -> tuple[str, ...]:
    """The problems of the test `hello` with this expect.toml."""
    (hello / "test/hello/expect.toml").write_text(text)
    return run(hello, hello / "test/hello").problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('detect = "fail"', "detect: expected fail, found pass"),
        ('build = "fail"', "build: expected fail, found pass"),
        ('output = ["nowhere"]', "output: 'nowhere' was not written"),
        ('no-output = ["Hello buildpack"]', "output: 'Hello buildpack' was written, and should not be"),
        ('provides = ["x"]', "provides: expected x, found none"),
        ('requires = ["x"]', "requires: expected x, found none"),
        ('[[processes]]\ntype = "worker"', "processes: worker: there is none; there is web"),
        (
            '[[processes]]\ntype = "web"\ncommand = ["x"]',
            "processes: web: expected the command ['x'], found ['cat', 'hello.txt']",
        ),
        (
            '[[processes]]\ntype = "web"\ndefault = false',
            "processes: web: expected not to be the default process",
        ),
        ('[labels]\na = "b"', "labels.a: expected 'b', found None"),
        ("[layers.x]", "layers.x: there is none; there is hello"),
        ("[layers.hello]\ncache = true", "layers.hello.cache: expected true, found false"),
        ('[layers.hello]\nfiles = ["x"]', "layers.hello.files: there is no x"),
        ('[layers.hello.env]\n"PATH.prepend" = "x"', "layers.hello.env: there is no file PATH.prepend"),
        ('files = ["x"]', "files: the app has no x after the build"),
        ('[rebuild]\noutput = ["x"]', "rebuild.output: 'x' was not written"),
    ],
)
def test_what_is_not_as_expected_is_told(hello: Path, text: str, problem: str) -> None:
    assert expect(hello, text) == (problem,)


def test_a_test_gives_variables_bindings_targets_and_other_buildpacks(hello: Path) -> None:
    (hello / "bin/detect").write_text(
        "#!/bin/sh\nset -eu\n"
        'printf \'[[provides]]\\nname = "mine"\\n[[requires]]\\nname = "theirs"\\n\' > "$CNB_BUILD_PLAN_PATH"\n'
    )
    (hello / "bin/build").write_text(
        '#!/bin/sh\nset -eu\necho "$GREETING $CNB_TARGET_ARCH $CNB_EXEC_ENV $(cat "$CNB_PLATFORM_DIR/bindings/db/type")"\n'
        'cat "$CNB_BP_PLAN_PATH"\necho made > made\n'
    )
    text = """
        output = ["Hi arm64 test mysql", 'name = "mine"']
        provides = ["mine"]
        requires = ["theirs"]
        required-by-others = ["mine"]
        exec-env = "test"
        files = ["made"]
        [env]
        GREETING = "Hi"
        [bindings.db]
        type = "mysql"
        [target]
        arch = "arm64"
    """

    # Whoever provides comes first, so it cannot be the one that requires as well.
    assert expect(hello, text)[0].startswith("detect: expected pass, found fail")
    both = text.replace('requires = ["theirs"]\n', "").replace("theirs", "mine")
    (hello / "bin/detect").write_text((hello / "bin/detect").read_text().replace("theirs", "mine"))
    assert expect(hello, both) == ()


def test_a_buildpack_that_needs_another_is_given_it(hello: Path) -> None:
    (hello / "bin/detect").write_text(
        '#!/bin/sh\nprintf \'[[requires]]\\nname = "theirs"\\n\' > "$CNB_BUILD_PLAN_PATH"\n'
    )

    assert expect(hello, 'requires = ["theirs"]\nprovided-by-others = ["theirs"]\n') == ()


def test_a_failing_build_is_told_with_what_it_wrote(hello: Path) -> None:
    (hello / "bin/build").write_text("#!/bin/sh\necho no luck\nexit 7\n")

    result = run(hello, hello / "test/hello")

    assert result.problems[-1] == "build: expected pass, found fail"
    assert "no luck\nbin/build of acme/hello@1.0.0 failed with exit code 7" in result.output


def test_an_error_in_detect_is_no_failure(hello: Path) -> None:
    (hello / "bin/detect").write_text("#!/bin/sh\nexit 3\n")

    assert expect(hello, 'detect = "error"') == ()
    assert expect(hello, 'detect = "fail"')[0].startswith("detect: expected fail, found error")


def test_the_author_is_told_of_missing_tests(hello: Path) -> None:
    with pytest.raises(InvalidInput, match="has no test 'x'") as caught:
        cases(hello, ["x"])
    assert caught.value.hint == "it has hello, other"

    with pytest.raises(InvalidInput, match="has no tests"):
        cases(hello / "bin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('detects = "pass"', "detects: unknown key"),
        ('detect = "maybe"', "detect: expected pass, fail or error"),
        ('build = "error"', "build: expected pass or fail"),
        ("[[processes]]\n", r"processes\[0\].type"),
        ("[layers.x]\nlanch = true", "layers.x.lanch: unknown key"),
    ],
)
def test_a_wrong_expect_toml_names_the_place(text: str, message: str) -> None:
    with pytest.raises(InvalidFile, match=f"expect.toml: {message}"):
        Fixture.read(text.encode(), "expect.toml")


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [(each.severity, each.id, each.place) for each in lint(folder)]


def change(hello: Path, old: str, new: str) -> None:
    text = (hello / "buildpack.toml").read_text()
    assert old in text
    (hello / "buildpack.toml").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('"acme/hello"', '"acme/he_llo"', ("error", "BPT-02", "buildpack.toml: buildpack.id")),
        ('"1.0.0"', '"1.0"', ("error", "BPT-05", "buildpack.toml: buildpack.version")),
        ('api = "0.12"', 'api = "0.2"', ("error", "BPT-01", "buildpack.toml: api")),
        ('api = "0.12"\n', "", ("error", "BPT-01", "buildpack.toml: api")),
        (
            'os = "linux"',
            'os = "linux"\narch = "x86_64"',
            ("error", "BPT-12", "buildpack.toml: targets[0].arch"),
        ),
        ('os = "linux"', 'os = "Linux"', ("error", "BPT-12", "buildpack.toml: targets[0].os")),
        (
            "version =",
            'sbom-formats = ["application/json"]\nversion =',
            ("error", "BPT-07", "buildpack.toml: buildpack.sbom-formats"),
        ),
        (
            "[[targets]]",
            '[[stacks]]\nid = "*"\nmixins = ["x"]\n[[targets]]',
            ("error", "BPT-16", "buildpack.toml"),
        ),
        ("  description", "  descripton", ("warning", "unknown-key", "buildpack.toml: buildpack.descripton")),
        ("[[targets]]", "[[target]]", ("warning", "BPT-18", "buildpack.toml: targets")),
    ],
)
def test_the_linter_finds_what_is_wrong_in_the_descriptor(
    hello: Path, old: str, new: str, finding: tuple[str, str, str]
) -> None:
    """BPT-16 and its neighbours."""
    change(hello, old, new)

    assert finding in found(hello)


def test_the_linter_finds_what_is_wrong_with_programs(hello: Path) -> None:
    """BPT-11."""
    (hello / "bin/detect").chmod(0o644)
    (hello / "bin/build").write_bytes(b"#!/bin/sh\r\necho\r\n")
    assert found(hello) == [
        ("error", "line-ends", "bin/build:1"),
        ("warning", "executable", "bin/detect"),
    ]

    (hello / "bin/detect").write_text("echo one\n")
    (hello / "bin/build").write_text("#!/bin/bash\none\ntwo\nthree\n")
    (hello / "bin/detect").chmod(0o755)
    assert found(hello) == [("error", "shebang", "bin/detect:1"), ("warning", "errexit", "bin/build")]

    (hello / "bin/detect").unlink()
    (hello / "bin/build").unlink()
    (hello / "bin/build").symlink_to("/nowhere")
    (hello / ".env").write_text("SECRET=1")
    assert found(hello) == [
        ("error", "BPT-11", "bin/detect"),
        ("error", "program", "bin/build"),
        ("warning", "secret", ".env"),
        ("warning", "link", "bin/build"),
    ]


def test_the_linter_reads_scripts_without_running_them(hello: Path) -> None:
    (hello / "bin/detect").write_text("#!/usr/bin/env bash\ntouch ran\nif true; then\n")
    (hello / "bin/build").write_text("#!/usr/bin/env -S python3 -I\nimport os\ndef x(:\n")
    (hello / "lib").mkdir()
    (hello / "lib/good.py").write_text("x = 1\n")
    (hello / "lib/bad.py").write_text("x = = 1\n")

    assert found(hello) == [
        ("error", "syntax", "bin/detect"),
        ("error", "syntax", "bin/build:3"),
        ("error", "syntax", "lib/bad.py:1"),
    ]
    assert not (hello / "ran").exists()


@pytest.mark.parametrize("folder", sorted(ROOT.glob("buildpacks/*/")), ids=lambda folder: folder.name)
def test_our_own_buildpacks_are_clean(folder: Path) -> None:
    assert lint(folder) == ()


def test_a_composite_has_an_order_and_nothing_else(hello: Path) -> None:
    """BPT-09, BPT-11, BPT-16."""
    change(hello, "[[targets]]", '[[order]]\n[[order.group]]\nid = "a/b"\n[[targets]]')

    assert found(hello) == [
        ("error", "BPT-16", "buildpack.toml"),
        ("error", "BPT-11", "bin/detect"),
        ("error", "BPT-11", "bin/build"),
        ("error", "BPT-09", "buildpack.toml: order[0].group[0].version"),
    ]


def test_a_folder_that_is_none_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "buildpack.toml").write_text("api = ")

    (only,) = lint(tmp_path)

    assert isinstance(only, Finding)
    assert (only.severity, only.id) == ("error", "descriptor")
    (tmp_path / "buildpack.toml").unlink()
    assert "cannot be read" in lint(tmp_path)[0].message
