"""Layer `npm`, `pnpm` or `yarn`: the tool that installs the packages, in the version that the app asks for or locks with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodejs import errors, ranges, versions
from pybuild.libcnb import archive, output
from pybuild.libcnb.digest import Digest
from pybuild.libcnb.layers import Empty, Types, write_file
from pybuild.libcnb.version import anything, below, numbers, series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodejs.layers.runtime import Runtime
    from nodejs.manifest import Lock, Manifest, Tool
    from nodejs.registry import Registry
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.version import Test

MODERN_YARN = "@yarnpkg/cli-dist"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTool:
    """The tool. `bin`: the folder of its commands. `modern`: it is Yarn 2 or newer."""

    name: Tool
    version: str
    bin: Path
    modern: bool = False


def install(
    context: BuildContext,
    manifest: Manifest,
    lock: Lock,
    runtime: Runtime,
    registry: Registry,
    *,
    launch: bool,
) -> PackageTool:
    """Have the tool in its layer. `launch`: the image needs it too. Raises a `Problem`."""
    vendored = vendored_yarn(context.app) if lock.tool == "yarn" else None
    types = Types(launch=launch, build=True, cache=True)
    if vendored:
        layer = context.layers.fresh_layer("yarn", types)
        output.section(f"Yarn ({vendored.relative_to(context.app)} of the app)")
        _command(layer.path / "bin/yarn", vendored)
        return PackageTool(
            name="yarn", version="", bin=layer.path / "bin", modern="releases/yarn-1." not in str(vendored)
        )
    wish = wanted(manifest, lock)
    known = registry.versions(wish.package)
    version = context.resolved.choose(
        lock.tool,
        lambda: _choose(wish, known, runtime.version),
        accepts=lambda found: wish.accepts(numbers(found)),
    )
    output.section(f"{lock.tool} {version} ({wish.why})")
    key = {"buildpack": context.version, wish.package: version}
    answer = context.layers.cached_layer(lock.tool, types, key=key)
    root = answer.layer.path / "lib"
    if isinstance(answer, Empty):
        file = registry.tarball(wish.package, version, known[version])
        if wish.digest and not Digest.parse(wish.digest).matches(file):
            raise errors.wrong_digest(lock.tool, version)
        archive.unpack(file, root, strip=1)
        for name, target in _programs(known[version]).items():
            _command(answer.layer.path / "bin" / name, root / target)
    return PackageTool(
        name=lock.tool, version=version, bin=answer.layer.path / "bin", modern=wish.package == MODERN_YARN
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which package of the registry is the tool, in which version, and why. `digest`: what its file must have."""

    package: str
    accepts: Test
    text: str
    why: str
    digest: str = ""


def wanted(manifest: Manifest, lock: Lock) -> Wish:
    """The tool's version by `packageManager`, `engines`, the lock file's own version, in this order."""
    tool = lock.tool
    if manager := manifest.manager:
        modern = tool == "yarn" and numbers(manager.version)[0] > 1
        return Wish(
            package=MODERN_YARN if modern else tool,
            accepts=series(manager.version),
            text=manager.version,
            why=f'package.json (packageManager) asks "{tool}@{manager.version}"',
            # Of Yarn this is the digest of another file than the registry has.
            digest="" if tool == "yarn" else manager.digest,
        )
    if asked := manifest.engines.get(tool, ""):
        place = f"package.json (engines.{tool})"
        modern = tool == "yarn" and (lock.is_modern_yarn or not ranges.satisfies(asked, place)((1, 22, 22)))
        return Wish(
            package=MODERN_YARN if modern else tool,
            accepts=ranges.satisfies(asked, place),
            text=asked,
            why=f'{place} asks "{asked}"',
        )
    accepts, why = _by_lock(manifest, lock)
    return Wish(package=MODERN_YARN if lock.is_modern_yarn else tool, accepts=accepts, text="", why=why)


def vendored_yarn(app: Path) -> Path | None:
    """The Yarn that the app brings itself, as `yarnPath` of .yarnrc.yml or `yarn-path` of .yarnrc names it."""
    for name, pattern in (
        (".yarnrc.yml", r"^yarnPath:\s*[\"']?([^\"'\s]+)"),
        (".yarnrc", r"^yarn-path\s+[\"']?([^\"'\s]+)"),
    ):
        file = app / name
        if file.is_file() and (
            found := re.search(pattern, file.read_text("utf-8", errors="replace"), re.MULTILINE)
        ):
            path = app / found[1]
            if path.is_file() and path.resolve().is_relative_to(app.resolve()):
                return path
    return None


def _by_lock(manifest: Manifest, lock: Lock) -> tuple[Test, str]:
    if lock.tool == "pnpm":
        found = re.search(rb"""^lockfileVersion:\s*['"]?(\d+)""", lock.data, re.MULTILINE)
        major = int(found[1]) if found else 9
        # pnpm 11 refuses packages whose build scripts package.json does not allow, which apps of pnpm 10 do not know.
        known = {5: series("7"), 6: series("8")}
        return known.get(major, below((11, 0, 0))), f"lockfileVersion {major} of pnpm-lock.yaml"
    if lock.tool == "yarn" and not lock.is_modern_yarn:
        return series("1"), "yarn.lock is one of Yarn 1"
    if lock.tool == "npm" and not manifest.allows_scripts:
        # npm 12 runs no script of a package that package.json does not allow, which apps of npm 11 do not know.
        return below((12, 0, 0)), "the newest for this Node.js before 12; packageManager pins another"
    return anything, "the newest for this Node.js; packageManager pins another"


def _choose(wish: Wish, known: Mapping[str, Mapping[str, Any]], node: str) -> str:
    version = wish.text if wish.text in known else versions.newest_for(known, wish.accepts, node, _is_script)
    if not version:
        raise errors.no_such_tool(wish.package, wish.text or "any version", node)
    return version


def _is_script(manifest: Mapping[str, object]) -> bool:
    return all(target.endswith(("js", ".cjs", ".mjs")) for target in _programs(manifest).values())


def _programs(manifest: Mapping[str, object]) -> dict[str, str]:
    found = manifest.get("bin")
    return {str(name): str(path) for name, path in found.items()} if isinstance(found, dict) else {}


def _command(path: Path, script: Path) -> None:
    write_file(path, f'#!/bin/sh\nexec node "{script}" "$@"\n', mode=0o755)
