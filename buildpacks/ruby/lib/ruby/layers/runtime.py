"""Layer `ruby`: Ruby with Bundler, and the libraries that the app's gems were compiled against, from Debian's packages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.libcnb import debs, output
from pybuild.libcnb.layers import Types
from ruby import natives, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from ruby.lock import Bundle

DEBIAN_GEMS = "BP_RUBY_DEBS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Ruby as installed: `series` 3.1, `version` 3.1.2. `bundler`: its version.

    `debian_gems`: name → version of the gems that Debian's packages brought because they were asked for, and with them.
    """

    layer: Layer
    series: str
    version: str
    bundler: str
    debian_gems: Mapping[str, str] = field(default_factory=dict)

    @property
    def ruby(self) -> Path:
        """The interpreter."""
        return self.layer.path / f"usr/bin/ruby{self.series}"

    @property
    def bundle(self) -> Path:
        """Bundler's program."""
        return self.layer.path / "usr/bin/bundle"

    @property
    def abi(self) -> str:
        """The version that compiled gems are for."""
        return f"{self.series}.0"


def install(context: BuildContext, bundle: Bundle, apt: Apt) -> Runtime:
    """Choose the version and have it in a layer. Raises a `Problem`."""
    choice = choose(context, bundle, apt)
    output.section(f"Ruby {choice.version} ({choice.why}; {release(context)} has {choice.series})")
    own = re.split(r"[,\s]+", context.setting(DEBIAN_GEMS)) if context.setting(DEBIAN_GEMS) else []
    for package in own:
        output.step(f"Package {package} ({DEBIAN_GEMS} asks for it)")
    libraries = natives.run_packages(bundle.compiled, apt)
    pinned = f"ruby{choice.series}={choice.package}" if choice.package else f"ruby{choice.series}"
    packages = (pinned, "ruby", "ruby-bundler", *libraries, *own)
    made = debs.deb_layer(context, "ruby", packages, Types(launch=True, build=True, cache=True), apt=apt)
    layer = made.layer
    if made.fresh:
        relocate(layer.path / "usr/bin")
    layer.search_path("PATH", layer.path / "usr/bin")
    layer.search_path("LD_LIBRARY_PATH", *debs.library_folders(layer))
    layer.env("RUBYLIB", ":".join(map(str, load_paths(layer, choice.series))))
    layer.env("LANG", "C.UTF-8", operation="default")
    bundler = versions.upstream(made.version("ruby-bundler"))
    return Runtime(
        layer=layer,
        series=choice.series,
        version=choice.version,
        bundler=bundler,
        debian_gems=specifications(gem_paths(layer, choice.series)) if own else {},
    )


def choose(context: BuildContext, bundle: Bundle, apt: Apt) -> versions.Choice:
    """The newest Ruby that is asked for, or the one of the build before when locked. Raises a `Problem`."""
    asked = context.setting("BP_MRI_VERSION")
    if context.resolved.locked:
        accepts = versions.accepts(asked, bundle.ruby)
        return versions.locked(context.resolved.choose("ruby", str, accepts=accepts))
    choice = versions.choose(apt, asked, bundle.ruby)
    context.resolved.record("ruby", choice.version)
    return choice


def load_paths(layer: Layer, series: str) -> list[Path]:
    """Where Ruby's own library is: it knows only the system's folders. What Debian's packages add comes first."""
    abi = f"{series}.0"
    top = layer.path / "usr/lib"
    triples = sorted(top.glob("*-linux-*"))
    return [
        *(folder / f"ruby/vendor_ruby/{abi}" for folder in triples),
        top / f"ruby/vendor_ruby/{abi}",
        top / "ruby/vendor_ruby",
        top / f"ruby/{abi}",
        *(folder / f"ruby/{abi}" for folder in triples),
    ]


def gem_paths(layer: Layer, series: str) -> list[Path]:
    """Where the gems are that come with Ruby, and those of Debian's packages."""
    abi = f"{series}.0"
    usr = layer.path / "usr"
    return [
        usr / "share/rubygems-integration/all",
        usr / f"share/rubygems-integration/{abi}",
        *(folder / f"rubygems-integration/{abi}" for folder in sorted((usr / "lib").glob("*-linux-*"))),
        usr / f"lib/ruby/gems/{abi}",
    ]


def specifications(folders: Iterable[Path]) -> dict[str, str]:
    """Name → version of the gems in these folders."""
    files = (file for folder in folders for file in sorted((folder / "specifications").glob("*.gemspec")))
    return {name: version for name, _, version in (file.stem.rpartition("-") for file in files)}


def relocate(programs: Path) -> None:
    """Have Ruby's programs started by the Ruby beside them: their first lines name the system's."""
    for file in sorted(programs.iterdir()):
        if file.is_symlink() or not file.is_file():
            continue
        data = file.read_bytes()
        moved = re.sub(rb"\A#! ?/usr/bin/ruby[\d.]*[ \t]*", b"#!/usr/bin/env ruby", data)
        if moved != data:
            file.write_bytes(moved)


def release(context: BuildContext) -> str:
    """The distribution, for a sentence."""
    target = context.target
    return f"{target.distro.capitalize()} {target.distro_version}".strip() or "this distribution"
