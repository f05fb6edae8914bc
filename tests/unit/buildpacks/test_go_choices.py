"""What the Go buildpack decides: release, programs, flags, what stays in the image, from the app's files and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from go import contents, settings, targets, versions
from go.gomod import GoMod
from go.layers.programs import GO
from go.layers.toolchain import releases
from go.targets import Package
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layers
from pybuild.libcnb.problem import Problem

RELEASES = ("1.27.4", "1.27.0", "1.26.11", "1.26.8", "1.25.14", "1.21.13", "1.17.13", "1.9.7")


def context(app: Path, **environ: str) -> BuildContext:
    return BuildContext(
        app=app,
        buildpack=app,
        platform=app,
        layers=Layers(app / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env="production",
        environ=environ,
        version="1",
    )


def write(app: Path, name: str, text: str = "") -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).write_text(text)


@pytest.mark.parametrize(
    ("setting", "go", "toolchain", "chosen"),
    [
        ("", "1.26", "", "1.26.11"),
        ("", "1.26.9", "", "1.26.11"),
        ("", "1.26.3", "go1.27.0", "1.27.4"),
        ("", "1.25", "default", "1.25.14"),
        ("", "1.17", "", "1.27.4"),
        ("", "", "", "1.27.4"),
        ("1.26", "1.25", "", "1.26.11"),
        ("go1.26.8", "1.25", "", "1.26.8"),
        ("1.26.*", "1.25", "", "1.26.11"),
        ("1", "1.25", "", "1.27.4"),
        ("latest", "1.25", "", "1.27.4"),
    ],
)
def test_the_newest_patch_of_what_is_asked_for_is_chosen(
    setting: str, go: str, toolchain: str, chosen: str
) -> None:
    request = versions.wanted(setting, GoMod(file="go.mod", go=go, toolchain=toolchain))

    assert versions.choose(request, RELEASES) == chosen


@pytest.mark.parametrize(("setting", "go"), [("1.28", ""), ("1.26.99", ""), ("", "1.27.9"), ("", "1.30")])
def test_a_release_nobody_has_is_answered_with_the_newest_ones(setting: str, go: str) -> None:
    request = versions.wanted(setting, GoMod(file="go.mod", go=go))

    with pytest.raises(Problem, match="There is no such Go") as caught:
        versions.choose(request, RELEASES)

    assert "1.27.4, 1.26.11, 1.25.14" in caught.value.found


@pytest.mark.parametrize("setting", ["new", "1.26.1.2", "^1.26", "1.26rc1"])
def test_a_setting_that_is_no_version_is_refused(setting: str) -> None:
    with pytest.raises(Problem, match="cannot be understood"):
        versions.wanted(setting, GoMod(file="go.mod"))


def test_only_the_newest_two_series_get_fixes() -> None:
    assert [versions.supported(version, RELEASES) for version in ("1.27.0", "1.26.8", "1.25.14")] == [
        True,
        True,
        False,
    ]


class Proxy:
    """A module proxy's answer to `go list -m -versions golang.org/toolchain`."""

    def ask(self, *words: str, scratch: Path) -> str:  # noqa: ARG002 - as the real one
        names = (
            "go1.26.11.linux-amd64",
            "go1.27rc1.linux-amd64",
            "go1.27.4.linux-arm64",
            "go1.9.linux-amd64",
        )
        return f"{words[-1]} " + " ".join(f"v0.0.1-{name}" for name in names)


def test_releases_are_finished_and_for_this_architecture() -> None:
    assert releases(Proxy(), "amd64") == ("1.26.11", "1.9")  # type: ignore[arg-type] # the one question it asks


def test_a_workspace_goes_before_a_module_and_comments_and_blocks_are_skipped(tmp_path: Path) -> None:
    write(
        tmp_path,
        "go.mod",
        'module "example.com/a" // why\n\ngo 1.26\nrequire (\n\tgo 1.1\n)\ntoolchain go1.26.3\n',
    )

    module = GoMod.read(tmp_path)
    write(tmp_path, "go.work", "go 1.27\n\nuse (\n\t./a\n\t./b\n)\n")

    assert module == GoMod(file="go.mod", module="example.com/a", go="1.26", toolchain="go1.26.3")
    assert GoMod.read(tmp_path) == GoMod(file="go.work", go="1.27")


def test_source_without_a_module_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no Go module") as caught:
        GoMod.read(tmp_path)

    assert "go mod init" in caught.value.steps[0]


def test_a_go_mod_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_bytes(b"module x\xff")

    with pytest.raises(Problem, match=r"go\.mod cannot be read"):
        GoMod.read(tmp_path)


APP = Path("/workspace")


def program(folder: str, name: str | None = None) -> Package:
    path = APP / folder
    return Package(path=f"example.com/{folder}", folder=path, program=path.name if name is None else name)


@pytest.mark.parametrize(
    ("found", "chosen", "default"),
    [
        ([program("."), program("tools/gen")], ["workspace"], "workspace"),
        ([program("cmd/api"), program("cmd/worker"), program("examples/x")], ["api", "worker"], "api"),
        ([program("cmd/api"), program("cmd/web")], ["api", "web"], "web"),
        (
            [program("cmd/admin"), program("cmd/server"), program(".")],
            ["admin", "server", "workspace"],
            "server",
        ),
        ([program("cmd/admin"), program(".")], ["admin", "workspace"], "workspace"),
        ([program("services/one"), program("lib", "")], ["one"], "one"),
        ([program("cmd")], ["cmd"], "cmd"),
    ],
)
def test_the_root_and_cmd_are_built_else_every_program(
    found: list[Package], chosen: list[str], default: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.APP", tmp_path)
    found = [
        Package(path=p.path, folder=tmp_path / p.folder.relative_to("/workspace"), program=p.program)
        for p in found
    ]
    for package in found:
        package.folder.mkdir(parents=True, exist_ok=True)

    programs = targets.choose(found, (tmp_path,))

    assert [package.program for package in programs] == chosen
    assert targets.default(programs, (tmp_path,)).program == default


def test_a_module_of_libraries_and_two_programs_of_one_name_are_refused() -> None:
    with pytest.raises(Problem, match="has no program"):
        targets.choose([program("lib", "")], (APP,))
    with pytest.raises(Problem, match="Two programs have the same name"):
        targets.checked([program("a/web"), program("b/web")])


def test_targets_are_folders_of_the_module() -> None:
    assert targets.asked("cmd/web: ./cmd/worker:.") == ("./cmd/web", "./cmd/worker", ".")


def test_the_users_flags_come_after_ours(tmp_path: Path) -> None:
    words = settings.build_words(
        context(tmp_path, BP_GO_BUILD_FLAGS="-tags 'a b'", BP_GO_BUILD_LDFLAGS="-X main.version=1")
    )

    assert words == ("-trimpath", "-buildvcs=false", "-ldflags=-s -w -X main.version=1", "-tags", "a b")


@pytest.mark.parametrize(
    ("setting", "value", "heading"),
    [
        ("BP_GO_BUILD_FLAGS", "-tags 'a", "BP_GO_BUILD_FLAGS cannot be understood"),
        ("BP_GO_WORKDIR", "no/where", "does not exist"),
        ("BP_GO_WORKDIR", "../..", "does not exist"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(
    setting: str, value: str, heading: str, tmp_path: Path
) -> None:
    told = context(tmp_path, **{setting: value})

    with pytest.raises(Problem, match=heading):
        (settings.build_words(told), settings.module_folder(told))


def test_a_binary_tells_its_modules_and_its_go() -> None:
    text = (
        "/layers/bin/web: go1.26.11\n\tpath\texample.com/app/cmd/web\n\tmod\texample.com/app\t(devel)\t\n"
        "\tdep\tgithub.com/Old/Name\tv1.2.0\n\t=>\tgithub.com/new/name\tv1.3.0+incompatible\th1:x=\n"
        "\tdep\texample.com/here\tv0.0.0\n\t=>\t./here\t(devel)\t\n\tbuild\t-trimpath=true\n"
        "/layers/bin/seed: go1.26.11\n\tpath\texample.com/app/cmd/seed\n"
    )

    assert [component.purl for component in contents.read(text)] == [
        "pkg:golang/example.com/here@v0.0.0",
        "pkg:golang/github.com/new/name@v1.3.0%2Bincompatible",
        "pkg:golang/stdlib@1.26.11",
    ]


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("main.go:3:8: missing go.sum entry for module", "go mod tidy"),
        ("go: module x requires go >= 1.27 (running go 1.26.8; GOTOOLCHAIN=local)", "BP_GO_VERSION"),
        ("fatal: could not read Username for 'https://example.com': terminal prompts disabled", "GOPRIVATE"),
        ("build constraints exclude all Go files in /layers/modules/x", "CGO_ENABLED=1"),
        ("go: inconsistent vendoring in /workspace:", "go mod vendor"),
    ],
)
def test_what_go_says_leads_to_what_to_do(said: str, step: str) -> None:
    assert step in GO.steps(said)[0]
