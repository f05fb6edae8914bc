"""Layer `rust`: the compiler and Cargo of the distribution, whose newest packages follow Rust's releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb import apt, debs, output
from pybuild.libcnb.dpkg import components, upstream
from pybuild.libcnb.layers import Types
from rust import errors, versions

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.sbom import Component
    from rust.versions import Wanted

# Debian builds browsers with these: they are newer than `rustc`, which stays what the release began with.
FAMILIES = (("rustc-web", "cargo-web", "libstd-rust-web-dev"), ("rustc", "cargo", "libstd-rust-dev"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Rust in a `version`. `standard`: the standard library, which is linked into every program."""

    bin: Path
    libraries: tuple[Path, ...]
    version: str
    standard: tuple[Component, ...]

    @property
    def cargo(self) -> Path:
        """The command."""
        return self.bin / "cargo"


def install(context: BuildContext, request: Wanted) -> Toolchain:
    """Choose the release and have it in a layer. Raises a `Problem`."""
    # Rust needs a linker and libraries at build only, and those are what the build image has.
    with apt.opened(context, run_status=apt.OWN_STATUS) as sources:
        family, version = _choose(context, request, sources)
        output.section(f"Rust {upstream(version)} ({request.why})")
        pinned = tuple(f"{name}={version}" for name in family)
        made = debs.deb_layer(context, "rust", pinned, Types(build=True, cache=True), apt=sources)
    libraries = debs.library_folders(made.layer)
    made.layer.search_path("PATH", made.layer.path / "usr/bin", scope="build")
    made.layer.search_path("LD_LIBRARY_PATH", *libraries, scope="build")
    controls = [text for text in debs.controls(made.layer) if text.startswith("Package: libstd-rust")]
    target = context.target
    standard = components(controls, distro=target.distro or "debian", distro_version=target.distro_version)
    return Toolchain(
        bin=made.layer.path / "usr/bin",
        libraries=libraries,
        version=upstream(version),
        standard=tuple(standard),
    )


def _choose(context: BuildContext, request: Wanted, sources: Apt) -> tuple[tuple[str, ...], str]:
    """The packages, and the one version that all of them have."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for family in FAMILIES:
        compiler, *others = family
        for version in sources.versions(compiler):
            if all(version in sources.versions(name) for name in others):
                found.setdefault(upstream(version), (family, version))
    if not found:
        raise errors.no_rust()
    number = context.resolved.choose("rust", lambda: versions.choose(request, found), accepts=request.accepts)
    if number not in found:
        raise errors.no_such_version(number, "the build is locked to it", tuple(found))
    return found[number]
