"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


def no_manifest() -> Problem:
    """A lock without a manifest, or a toolchain file alone."""
    return Problem(
        "The app has no Cargo.toml",
        "There is a Cargo.lock, but no Cargo.toml in the root of the app.",
        steps=("Commit Cargo.toml, or build the folder that has it: `pybuild myapp --path folder`.",),
    )


def unreadable(name: str, reason: str) -> Problem:
    """A file that is no TOML."""
    return Problem(
        f"{name} cannot be read", reason, steps=("`cargo metadata` on your machine shows what is wrong.",)
    )


def bad_channel(channel: str, place: str) -> Problem:
    """A channel that is neither stable nor a version."""
    return Problem(
        "This Rust cannot be had",
        f"{place} asks for {channel!r}; this buildpack installs stable releases: `stable`, or a version such as 1.85.",
        steps=(
            f"Name a stable release in {place}.",
            "Or set BP_RUST_TOOLCHAIN=stable, which goes before the file, if the code compiles with it.",
        ),
    )


def no_such_version(asked: str, why: str, available: Sequence[str]) -> Problem:
    """The package sources do not have the Rust that is asked for."""
    shown = ", ".join(available) or "none"
    return Problem(
        f"There is no Rust {asked} to install",
        f"{why}, but this builder's package sources have Rust {shown}.",
        steps=(
            f"Ask for one of these, or for stable: {shown}.",
            "Or build with a Dockerfile that has rustup: only its distribution site has every release.",
        ),
    )


def no_rust() -> Problem:
    """The package sources have no Rust at all."""
    return Problem(
        "No Rust to install",
        "The builder's package sources have neither rustc-web nor rustc.",
        steps=(
            "Use a Debian builder, or add a source that has Rust to the builder's /etc/apt/sources.list.d.",
        ),
    )


def no_such_member(name: str, known: Sequence[str]) -> Problem:
    """`BP_CARGO_WORKSPACE_MEMBERS` names no package of the workspace."""
    return Problem(
        "The workspace has no such member",
        f"BP_CARGO_WORKSPACE_MEMBERS has {name!r}; the workspace has {', '.join(known) or 'none'}.",
        steps=("Name packages of the workspace, separated by commas.",),
    )


def no_programs(packages: Sequence[str]) -> Problem:
    """A workspace of libraries."""
    return Problem(
        "The app has no program",
        f"No package ({', '.join(packages)}) has a binary target, so there is nothing to run.",
        steps=(
            "Add src/main.rs, or a file in src/bin/.",
            "In a workspace whose default-members leave the program out, name its package in BP_CARGO_WORKSPACE_MEMBERS.",
        ),
    )
