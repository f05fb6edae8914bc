"""What the Rust buildpack decides: release, programs, what must be compiled again, from the app's files and settings."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layer, Layers, Types
from pybuild.libcnb.problem import Problem
from rust import freshness, manifest, versions, workspace
from rust.build import processes
from rust.layers import programs, tests
from rust.manifest import Manifest
from rust.workspace import Program

if TYPE_CHECKING:
    from pathlib import Path

AVAILABLE = ("1.85.0", "1.96.0", "1.63.0")


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


@pytest.mark.parametrize(
    ("setting", "told", "chosen"),
    [
        ("", Manifest(), "1.96.0"),
        ("", Manifest(oldest="1.70"), "1.96.0"),
        ("", Manifest(channel="1.85", pin="rust-toolchain.toml"), "1.85.0"),
        ("", Manifest(channel="stable", pin="rust-toolchain"), "1.96.0"),
        ("", Manifest(channel="1.85.0-x86_64-unknown-linux-gnu", pin="rust-toolchain"), "1.85.0"),
        ("1.63", Manifest(channel="nightly", pin="rust-toolchain"), "1.63.0"),
    ],
)
def test_a_pin_goes_before_the_newest_and_the_setting_before_a_pin(
    setting: str, told: Manifest, chosen: str
) -> None:
    assert versions.choose(versions.wanted(setting, told), AVAILABLE) == chosen


@pytest.mark.parametrize(
    ("setting", "told", "heading"),
    [
        ("", Manifest(channel="1.80", pin="rust-toolchain"), r"no Rust 1\.80 to install"),
        ("", Manifest(oldest="1.97"), r"no Rust 1\.97\.0 or newer"),
        ("1.85", Manifest(oldest="1.90"), r"no Rust 1\.85"),
        ("", Manifest(channel="nightly-2026-01-01", pin="rust-toolchain"), "cannot be had"),
        ("new", Manifest(), "cannot be had"),
    ],
)
def test_what_cannot_be_had_is_said(setting: str, told: Manifest, heading: str) -> None:
    with pytest.raises(Problem, match=heading):
        versions.choose(versions.wanted(setting, told), AVAILABLE)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Manifest()),
        (
            {"rust-toolchain.toml": '[toolchain]\nchannel = "1.85"\n', "Cargo.lock": ""},
            Manifest(channel="1.85", pin="rust-toolchain.toml", locked=True),
        ),
        ({"rust-toolchain": "1.85\n"}, Manifest(channel="1.85", pin="rust-toolchain")),
        (
            {"rust-toolchain": '[toolchain]\nchannel = "beta"\n'},
            Manifest(channel="beta", pin="rust-toolchain"),
        ),
        ({"Cargo.toml": '[package]\nrust-version = "1.70"\n'}, Manifest(oldest="1.70")),
        ({"Cargo.toml": '[workspace.package]\nrust-version = "1.71"\n'}, Manifest(oldest="1.71")),
        ({"Cargo.toml": "[package]\nrust-version.workspace = true\n"}, Manifest()),
    ],
)
def test_cargos_files_tell_the_rust(files: dict[str, str], expected: Manifest, tmp_path: Path) -> None:
    for name, text in {"Cargo.toml": "[package]\n", **files}.items():
        (tmp_path / name).write_text(text)

    assert Manifest.read(tmp_path) == expected


def test_files_that_are_missing_or_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"no Cargo\.toml"):
        Manifest.read(tmp_path)
    (tmp_path / "Cargo.toml").write_text("[package")

    with pytest.raises(Problem, match=r"Cargo\.toml cannot be read"):
        Manifest.read(tmp_path)


def test_the_bill_of_materials_has_the_crates_of_others(tmp_path: Path) -> None:
    checksum = "ab" * 32
    (tmp_path / "Cargo.lock").write_text(
        'version = 4\n[[package]]\nname = "own"\nversion = "1.0.0"\n'
        f'[[package]]\nname = "serde"\nversion = "1.2.3"\nsource = "registry+x"\nchecksum = "{checksum}"\n'
        '[[package]]\nname = "forked"\nversion = "0.1.0"\nsource = "git+https://example.com/x#1"\n'
    )

    found = manifest.components(tmp_path)

    assert [(component.purl, dict(component.hashes)) for component in found] == [
        ("pkg:cargo/serde@1.2.3", {"SHA-256": checksum}),
        ("pkg:cargo/forked@0.1.0", {}),
    ]


def package(name: str, *bins: str, default_run: str | None = None, **target: Any) -> dict[str, Any]:
    targets = [{"kind": ["lib"], "name": name}, *({"kind": ["bin"], "name": each, **target} for each in bins)]
    return {"id": f"path+{name}", "name": name, "default_run": default_run, "targets": targets}


def metadata(*packages: dict[str, Any], default: tuple[str, ...] = ()) -> dict[str, Any]:
    members = [each["id"] for each in packages]
    return {
        "packages": list(packages),
        "workspace_members": members,
        "workspace_default_members": [f"path+{name}" for name in default] or members,
    }


@pytest.mark.parametrize(
    ("told", "members", "names", "default"),
    [
        (metadata(package("app", "app")), [], ["app"], "app"),
        (metadata(package("app", "tool", "server")), [], ["tool", "server"], "server"),
        (metadata(package("app", "a", "b", default_run="b")), [], ["a", "b"], "b"),
        (metadata(package("api", "api"), package("cli", "cli"), default=("cli",)), [], ["cli"], "cli"),
        (metadata(package("api", "api"), package("cli", "cli"), default=("cli",)), ["api"], ["api"], "api"),
    ],
)
def test_programs_are_those_of_the_default_members_or_of_the_named_ones(
    told: dict[str, Any], members: list[str], names: list[str], default: str
) -> None:
    found = workspace.read(told, members)

    assert [program.name for program in found] == names
    assert workspace.default(found).name == default


def test_libraries_alone_and_unknown_members_are_refused() -> None:
    with pytest.raises(Problem, match="has no program"):
        workspace.read(metadata(package("lib")), [])
    with pytest.raises(Problem, match="no such member") as caught:
        workspace.read(metadata(package("api", "api")), ["apy"])

    assert "the workspace has api." in caught.value.found


def test_only_files_that_changed_look_new_to_cargo(tmp_path: Path) -> None:
    app, results = tmp_path / "app", tmp_path / "target"
    (app / "src").mkdir(parents=True)
    results.mkdir()
    for name in ("src/main.rs", "src/lib.rs"):
        (app / name).write_text(name)
    first = freshness.mark(app, results)
    assert (app / "src/lib.rs").stat().st_mtime > freshness.LONG_AGO
    freshness.remember(results, first)

    os.utime(app / "src/lib.rs", (9, 9))
    (app / "src/main.rs").write_text("other")
    freshness.mark(app, results)

    assert (app / "src/lib.rs").stat().st_mtime == freshness.LONG_AGO
    assert (app / "src").stat().st_mtime == freshness.LONG_AGO
    assert (app / "src/main.rs").stat().st_mtime > freshness.LONG_AGO

    (app / "src/main.rs").unlink()
    freshness.mark(app, results)

    assert (app / "src").stat().st_mtime > freshness.LONG_AGO


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (
            "error: the lock file /workspace/Cargo.lock needs to be updated but --locked was passed",
            "commit Cargo.lock",
        ),
        (
            "error: package `x v1` cannot be built because it requires rustc 1.99 or newer",
            "BP_RUST_TOOLCHAIN",
        ),
        ("error: linking with `cc` failed: exit status: 1", "Aptfile"),
        ("error: failed to download from `https://static.crates.io`", "crate registry"),
    ],
)
def test_what_cargo_says_leads_to_what_to_do(said: str, step: str) -> None:
    assert step in programs.CARGO.steps(said)[0]


def test_every_program_is_a_process_that_gets_its_signals(tmp_path: Path) -> None:
    layer = Layer(name="programs", path=tmp_path, types=Types(launch=True, build=True))
    made = (Program(name="web", package="p"), Program(name="worker", package="p"))

    found = processes(layer, made, made[0], tested=True)

    assert [(process.type, process.command, process.default) for process in found] == [
        ("web", ("pybuild-init", "web"), True),
        ("worker", ("pybuild-init", "worker"), False),
        ("test", ("cargo-tests",), False),
    ]
    assert (tmp_path / "bin/pybuild-init").stat().st_mode & 0o111


def test_cargos_messages_tell_the_test_programs() -> None:
    message = {
        "executable": "/target/debug/deps/app-1",
        "profile": {"test": True},
        "manifest_path": "/workspace/Cargo.toml",
        "target": {"name": "app"},
    }
    lines = [
        json.dumps(message),
        json.dumps({**message, "profile": {"test": False}}),
        json.dumps({"reason": "build-finished"}),
        "    Finished",
    ]

    assert list(tests.executables("\n".join(lines))) == [("app", "/workspace", "/target/debug/deps/app-1")]
