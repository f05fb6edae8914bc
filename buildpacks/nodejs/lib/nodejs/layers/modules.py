"""`node_modules`: installed once for a lock file, kept as a copy in a cache layer, in the image a layer of its own.

It stays a real folder of the app: bundlers follow links to where they lead, and then look for packages in the wrong place.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from nodejs import explain
from nodejs.manifest import FILE
from nodejs.registry import DEFAULT, bound_npmrc
from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Empty, Types, differences
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nodejs.layers.runtime import Runtime
    from nodejs.layers.tool import PackageTool
    from nodejs.manifest import Lock, Manifest
    from nodejs.registry import Registry
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Key

FOLDER = "node_modules"
# What npm, pnpm from 11 on, Yarn 1 and newer Yarn call the registry.
_REGISTRY_NAMES = ("npm_config_registry", "pnpm_config_registry", "YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER")

# Files that say how the packages are to be installed.
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "pnpm-workspace.yaml")


def install(
    context: BuildContext,
    manifest: Manifest,
    lock: Lock,
    runtime: Runtime,
    tool: PackageTool,
    environ: Mapping[str, str],
    *,
    dev: bool,
) -> None:
    """Have the packages in the app's folder. `dev`: with those for developers. Raises a `Problem`."""
    modules = context.app / FOLDER
    _remove(modules)
    if not lock.file:
        output.step(
            f"No lock file: the newest packages that {FILE} allows are installed, other ones in each build perhaps"
        )
        _run(context, installing(tool, lock, dev=dev), environ)
        return
    if _depends_on_more(manifest):
        output.step(f"Packages as {lock.file} says; not kept, because some of them are folders of the app")
        _run(context, installing(tool, lock, dev=dev), environ)
        return
    key = _key(context, manifest, lock, runtime, tool, dev=dev)
    answer = context.layers.cached_layer("modules", Types(cache=True), key=key)
    stored = answer.layer.path / FOLDER
    if not isinstance(answer, Empty):
        output.step(f"Packages are taken from the cache: {lock.file} has not changed")
        if stored.is_dir():
            _copy(stored, modules)
        # Its own scripts may look at more than the packages, as `prisma generate` does.
        for name in manifest.installs:
            _run(context, (tool.name, "run", name), environ)
        return
    output.step(f"Packages are installed as {lock.file} says, because")
    output.steps([f"  {cause}" for cause in (differences(answer.old, key) if answer.old else answer.causes)])
    with output.timed("Installed them"):
        _run(context, installing(tool, lock, dev=dev), environ)
    if modules.is_dir():
        _copy(modules, stored)


def installing(tool: PackageTool, lock: Lock, *, dev: bool) -> tuple[str, ...]:
    """The command that installs what the lock file says, and fails where that is not what package.json asks for."""
    how: tuple[str, ...]
    match tool.name:
        case "npm":
            how = ("ci",) if lock.file else ("install", "--no-save", "--no-package-lock")
            return ("npm", *how, f"--{'include' if dev else 'omit'}=dev", "--no-audit", "--no-fund")
        case "pnpm":
            how = ("install", "--frozen-lockfile" if lock.file else "--no-lockfile")
            return ("pnpm", *how, *(("--prod=false",) if dev else ("--prod",)))
        case "yarn":
            if tool.modern:
                return ("yarn", "install", *(("--immutable",) if lock.file else ()))
            how = ("install", "--frozen-lockfile" if lock.file else "--no-lockfile")
            return (
                "yarn",
                *how,
                "--non-interactive",
                f"--production={'false' if dev else 'true'}",
            )


def pruning(tool: PackageTool, *, workspaces: bool = False) -> tuple[str, ...]:
    """The command that removes what only developers need. `workspaces`: in each folder of several."""
    match tool.name:
        case "npm":
            return ("npm", "prune", "--omit=dev", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund")
        case "pnpm" if workspaces:
            # `pnpm prune` knows the root only, and takes from the other folders what they need. Without the age, what
            # nothing leads to any more would stay for a week.
            how = ("--frozen-lockfile", "--prefer-offline", "--ignore-scripts")
            return ("pnpm", "install", "--prod", *how, "--config.modules-cache-max-age=0")
        case "pnpm":
            return ("pnpm", "prune", "--prod", "--ignore-scripts")
        case "yarn":
            if tool.modern:
                return ("yarn", "workspaces", "focus", "--all", "--production")
            return (
                "yarn",
                "install",
                "--frozen-lockfile",
                "--production=true",
                "--ignore-scripts",
                "--prefer-offline",
                "--non-interactive",
            )


def prune(
    context: BuildContext, manifest: Manifest, lock: Lock, tool: PackageTool, environ: Mapping[str, str]
) -> None:
    """Remove what only developers need, where the tool can tell what that is: npm by what it has installed."""
    if not lock.file and tool.name != "npm":
        return
    with output.timed("Removed packages that only developers need"):
        _run(context, pruning(tool, workspaces=manifest.workspaces), environ)


def tidy(app: Path) -> None:
    """Remove what would make the same packages other bytes: a compiler's leftovers, notes of when they were installed."""
    modules = app / FOLDER
    for name in (
        ".modules.yaml",
        ".pnpm-workspace-state.json",
        ".pnpm-workspace-state-v1.json",
        ".yarn-state.yml",
        ".cache",
        ".vite",
    ):
        _remove(modules / name)
    for name in ("install-state.gz", "build-state.yml", "unplugged"):
        _remove(app / ".yarn" / name)
    if (app / ".yarn").is_dir() and not any((app / ".yarn").iterdir()):
        (app / ".yarn").rmdir()
    for file in modules.rglob("build/Makefile"):
        for rest in file.parent.glob("deps/**/*.mk"):
            _remove(rest)
        for rest in (
            *file.parent.glob("*.mk"),
            *file.parent.glob("*.Makefile"),
            *file.parent.rglob("obj.target"),
            *file.parent.rglob(".deps"),
        ):
            _remove(rest)
        _remove(file.parent / "config.gypi")
        _remove(file.parent / "node_gyp_bins")
        _remove(file)


def environ(context: BuildContext, runtime: Runtime, tool: PackageTool, source: Registry) -> dict[str, str]:
    """The variables that tools are run with during this build."""
    downloads = context.layers.tool_cache(f"{tool.name}-cache").path
    path = [context.app / FOLDER / ".bin", tool.bin, runtime.bin]
    found = {
        **runtime.environ,
        "PATH": ":".join([*map(str, path), context.environ.get("PATH", "")]),
        "npm_config_cache": str(downloads),
        _headers_variable(tool): str(runtime.headers),
        "npm_config_update_notifier": "false",
        "YARN_CACHE_FOLDER": str(downloads),
        "YARN_ENABLE_GLOBAL_CACHE": "false",
        "YARN_ENABLE_TELEMETRY": "0",
        # Node.js itself reads node_modules; what Yarn has instead needs a loader in every process.
        "YARN_NODE_LINKER": "node-modules",
        "NEXT_TELEMETRY_DISABLED": "1",
        "ASTRO_TELEMETRY_DISABLED": "1",
        "NG_CLI_ANALYTICS": "false",
        "NUXT_TELEMETRY_DISABLED": "1",
    }
    if tool.name == "pnpm":
        # By the first name up to pnpm 10, by the second one from then on.
        found.update({"npm_config_store_dir": str(downloads), "pnpm_config_store_dir": str(downloads)})
    if source.downloads.away(source.url):
        # Else each package is tried for minutes.
        found.update(
            {"npm_config_offline": "true", "pnpm_config_offline": "true", "YARN_ENABLE_NETWORK": "0"}
        )
    if source.url != DEFAULT:
        found.update(dict.fromkeys(_REGISTRY_NAMES, source.url))
    if name := bound_npmrc(context):
        root = context.setting("SERVICE_BINDING_ROOT") or str(context.platform / "bindings")
        found["NPM_CONFIG_GLOBALCONFIG"] = f"{root}/{name}/.npmrc"
    return found


def _headers_variable(tool: PackageTool) -> str:
    """By which node-gyp finds Node's headers; newer npm warns of settings that are not its own."""
    if tool.name == "npm" and numbers(tool.version)[0] >= 11:
        return "npm_package_config_node_gyp_nodedir"
    return "npm_config_nodedir"


def _depends_on_more(manifest: Manifest) -> bool:
    wishes = (*manifest.dependencies.values(), *manifest.dev.values())
    return manifest.workspaces or any(
        wish.startswith(("file:", "link:", "workspace:", "portal:", "./", "../")) for wish in wishes
    )


def _key(
    context: BuildContext, manifest: Manifest, lock: Lock, runtime: Runtime, tool: PackageTool, *, dev: bool
) -> Key:
    settings = hashlib.sha256()
    for name in _SETTINGS:
        file = context.app / name
        settings.update(file.read_bytes() if file.is_file() else b"-")
    for file in sorted((context.app / "patches").rglob("*")):
        settings.update(file.read_bytes() if file.is_file() else b"")
    return {
        "buildpack": context.version,
        "arch": context.target.arch,
        "distro": f"{context.target.distro} {context.target.distro_version}".strip(),
        "node": runtime.version,
        tool.name: tool.version,
        "lock file": hashlib.sha256(lock.data).hexdigest()[:16],
        "settings": settings.hexdigest()[:16],
        "scripts": tuple(f"{name}={manifest.scripts[name]}" for name in manifest.installs),
        "packages for developers": "yes" if dev else "no",
    }


def _run(context: BuildContext, words: Sequence[str], environ: Mapping[str, str]) -> None:
    # A question to nobody must not stop the build.
    variables = {**environ, "CI": "true", "NODE_ENV": "development"}
    manifest = context.app / FILE
    before = manifest.read_bytes()
    try:
        command.run(words, cwd=context.app, environ=variables)
    except command.ToolFailed as exc:
        raise explain.install_failed(exc, words[0]) from exc
    # Yarn writes it anew in its own style when it installs, and not when the packages come from the cache.
    if manifest.read_bytes() != before:
        manifest.write_bytes(before)


def _copy(source: Path, target: Path) -> None:
    command.read(["cp", "--archive", "--reflink=auto", "--no-target-directory", source, target], timeout=1800)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
