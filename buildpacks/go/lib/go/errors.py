"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

from pybuild.libcnb.problem import Problem


def no_module() -> Problem:
    """Go source without go.mod."""
    return Problem(
        "The app is no Go module",
        "There is Go source, but neither go.mod nor go.work in the root of the app, so versions of packages are unknown.",
        steps=(
            "Run `go mod init example.com/myapp && go mod tidy` in the root of the app.",
            "Commit go.mod and go.sum.",
            "If the module is in a folder below, set BP_GO_WORKDIR to it.",
        ),
    )


def unreadable(name: str, reason: str) -> Problem:
    """A go.mod that is no text."""
    return Problem(
        f"{name} cannot be read", reason, steps=("Save it as UTF-8 text; `go mod tidy` writes it anew.",)
    )


def no_such_folder(setting: str, asked: str) -> Problem:
    """A setting names a folder that is not there."""
    return Problem(
        "The folder does not exist",
        f"{setting} is {asked!r}, which is no folder inside the app.",
        steps=(f"Set {setting} to a folder, relative to the root of the app, such as services/api.",),
    )


def bad_version(asked: str) -> Problem:
    """`BP_GO_VERSION` is no version."""
    return Problem(
        "The Go version cannot be understood",
        f"BP_GO_VERSION is {asked!r}; expected a version such as 1.24, 1.24.5, or latest.",
        steps=("Correct BP_GO_VERSION, or unset it: go.mod says which Go the app needs.",),
    )


def no_such_version(asked: str, why: str, has: tuple[str, ...]) -> Problem:
    """No release satisfies the request; `has`: the newest release of each series."""
    shown = ", ".join(has[:8]) or "none"
    return Problem(
        "There is no such Go",
        f"{why}: Go {asked}. The newest releases of the last series are {shown}.",
        steps=("Name a series that exists, such as 1.24, in BP_GO_VERSION or go.mod.",),
    )


def releases_unknown(said: str) -> Problem:
    """The Go releases could not be listed, and none of an earlier build will do."""
    return Problem(
        "The Go releases cannot be looked up",
        f"Go's module proxy did not answer:\n\n{said}",
        steps=(
            "Check that the build can reach the module proxy; set http_proxy and https_proxy if it needs a proxy.",
            "Set GOPROXY to a mirror inside your network; it must have the module golang.org/toolchain.",
            "With GOPROXY to a mirror, set GONOSUMDB or GOSUMDB too if the checksum database cannot be reached.",
        ),
    )


def no_bootstrap() -> Problem:
    """The distribution has no Go to begin with."""
    return Problem(
        "No Go to begin with",
        "Go's releases are downloaded and verified by a Go of the distribution, whose package sources have no golang-…-go.",
        steps=(
            "Use a Debian builder, or add a source that has it to the builder's /etc/apt/sources.list.d.",
        ),
    )


def no_such_target(target: str, why: str) -> Problem:
    """`BP_GO_TARGETS` names something that is no program."""
    return Problem(
        "A target is no program",
        f"BP_GO_TARGETS has {target!r}: {why}.",
        steps=(
            "Name folders with a `package main`, relative to the module, separated by colons: ./cmd/web:./cmd/worker.",
            "Or unset BP_GO_TARGETS: the root and the folders of cmd/ are found by themselves.",
        ),
    )


def no_programs(found: int) -> Problem:
    """A module of libraries."""
    return Problem(
        "The module has no program",
        f"None of its {found} packages is a `package main`, so there is nothing to run.",
        steps=(
            "Add a `package main` with a `func main()` in the root or in cmd/<name>/.",
            "If the program is in another module of this repository, set BP_GO_WORKDIR to its folder.",
        ),
    )


def same_name(name: str, first: str, second: str) -> Problem:
    """Two targets would be one file."""
    return Problem(
        "Two programs have the same name",
        f"{first} and {second} would both become {name}.",
        steps=("Rename the folder of one of them, or list one of them only in BP_GO_TARGETS.",),
    )
