"""All that this buildpack tells a user whose app it cannot build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pybuild.libcnb.problem import Paste, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


def forbidden_variable(name: str) -> Problem:
    """A variable that would put files where the app does not find them."""
    return Problem(
        f"{name} must not be set for a build",
        f"{name} would change where Node.js or its tools look for files, and the image would not work.",
        steps=(f"Remove {name} from the build's environment.",),
    )


def unreadable(file: str, reason: str) -> Problem:
    """A file of the app that is damaged."""
    return Problem(
        f"{file} cannot be read",
        reason,
        steps=(f"Correct {file}; if it has conflict marks, resolve them first.",),
    )


def several_locks(names: tuple[str, ...]) -> Problem:
    """More than one tool claims to know the packages."""
    return Problem(
        "There are several lock files",
        f"The app has {' and '.join(names)}. They can disagree, and only one can decide which packages are installed.",
        steps=(
            f"Keep the lock file of the tool that you use, and delete the other: `git rm {names[-1]}`, for example.",
            "Or name the tool in package.json.",
        ),
        paste=Paste(file="package.json", text='"packageManager": "npm@11.6.0"', action="For example, in"),
    )


def bun() -> Problem:
    """An app that Bun's lock file belongs to."""
    return Problem(
        "Bun is not supported",
        "The app's packages are locked by Bun.",
        steps=(
            "Lock them with npm, pnpm or Yarn: `npm install --package-lock-only`, for example, and commit the lock file.",
        ),
    )


def bad_manager(text: str) -> Problem:
    """`packageManager` names no tool in one version."""
    return Problem(
        "The package manager cannot be understood",
        f"package.json (packageManager) is {text!r}, which is no npm, pnpm or yarn in one version.",
        steps=("Write it with all three numbers.",),
        paste=Paste(file="package.json", text='"packageManager": "pnpm@10.18.0"', action="For example, in"),
    )


def bad_range(text: str, place: str) -> Problem:
    """A version range that is none."""
    return Problem(
        "The version cannot be understood",
        f"{place} asks for {text!r}, which is no version range.",
        steps=("Write it like 24, 24.x, ^22.12, >=22 <25 or lts/*.",),
        paste=Paste(
            file="package.json", text='"engines": {\n    "node": "24.x"\n}', action="For example, in"
        ),
    )


def no_such_version(wanted: str, place: str, available: tuple[str, ...]) -> Problem:
    """No Node.js that satisfies the range."""
    return Problem(
        "The requested Node.js version is not available",
        f'{place} asks for Node.js "{wanted}"; the registry has {", ".join(available[:8])} and older ones.',
        steps=(f"Ask for one of these in {place.partition(' ')[0]}.",),
    )


def no_such_tool(package: str, wanted: str, node: str) -> Problem:
    """No version of the package tool that is wanted and runs on this Node.js."""
    return Problem(
        "The package tool is not available",
        f"The registry has no {package} that is {wanted} and runs on Node.js {node}.",
        steps=(
            "Ask for another version: packageManager in package.json.",
            "Or for another Node.js: engines.node in package.json.",
        ),
    )


def wrong_digest(tool: str, version: str) -> Problem:
    """The tool's file is not the one that `packageManager` names."""
    return Problem(
        f"{tool} {version} is not the one that package.json names",
        "The field packageManager gives a digest, and the registry's file has another one.",
        steps=(f"Run `corepack use {tool}@{version}` to write the digest again, if it is wrong.",),
    )


def unknown_architecture(arch: str, known: tuple[str, ...]) -> Problem:
    """An architecture that the registry has no Node.js for."""
    return Problem(
        "Node.js apps cannot be built for this architecture",
        f"The image is for {arch}; the registry has Node.js for {' and '.join(known)}.",
        steps=("Build for one of these, with --platform.",),
    )


def bad_registry(address: str) -> Problem:
    """Something that answers, and is no registry."""
    return Problem(
        "The package registry cannot be understood",
        f"{address} answers with something that is no list of versions.",
        steps=("Check npm_config_registry and the app's .npmrc: they have to name a registry.",),
    )


def no_integrity(package: str, version: str) -> Problem:
    """A version whose file nobody can check."""
    return Problem(
        "A package cannot be checked",
        f"The registry gives no integrity for {package} {version}.",
        steps=("Use a registry or mirror that hands on dist.integrity.",),
    )


def no_such_script(name: str, known: tuple[str, ...]) -> Problem:
    """`BP_NODE_RUN_SCRIPTS` names a script that is not there."""
    return Problem(
        "A script does not exist",
        f"BP_NODE_RUN_SCRIPTS names {name!r}; package.json has {', '.join(known) or 'no scripts'}.",
        steps=("Correct the name.", "Or unset BP_NODE_RUN_SCRIPTS: the script build is run by itself."),
    )


def nothing_built(name: str, folders: tuple[str, ...]) -> Problem:
    """A front end whose build made no files where they are expected."""
    return Problem(
        "The build made no index.html",
        f"This is a {name} app, but after its build none of {', '.join(folders)} has an index.html.",
        steps=(
            "Set BP_WEB_SERVER_ROOT to the folder that the build writes, relative to the root of the app.",
            "If the app has a server, name it in the script start of package.json, and set BP_NODE_FRONT_END=false.",
        ),
    )


def no_file_server() -> Problem:
    """A front end in a builder that has nobody to serve it."""
    return Problem(
        "This builder has nothing that serves the front end",
        "The app is built to files, and no buildpack after this one serves them.",
        steps=(
            "Put pybuild/nginx before this buildpack and pybuild/static after it.",
            "Or start a server of your own: name it in the script start of package.json, and set BP_NODE_FRONT_END=false.",
        ),
    )


def no_start(members: Sequence[tuple[str, str]]) -> Problem:
    """Nothing in the app says how to start it. `members`: of a workspace, the folders with a script start, and its line."""
    line = f"cd {members[0][0]} && {members[0][1]}" if members else "node server.js"
    which = ", ".join(folder for folder, _ in members)
    return Problem(
        "Nothing was found that starts the app",
        "There is no Procfile, no script start, no field main, and no server.js, app.js, main.js or index.js."
        + (f" Of its packages these have a script start: {which}." if members else ""),
        steps=(
            "Add a script start to package.json."
            if not members
            else "Choose one in the root's package.json.",
        ),
        paste=Paste(
            file="package.json",
            text=f'"scripts": {{\n    "start": {json.dumps(line)}\n}}',
            action="For example, in",
        ),
    )


def start_for_developers(line: str, program: str) -> Problem:
    """The script start needs a program of a package that the image does not have."""
    return Problem(
        "The script start cannot run in the image",
        f"It is {line!r}, and {program} is in none of the packages in dependencies; those in devDependencies are removed.",
        steps=(
            "Have the script start what the build makes, for example node dist/main.js.",
            "If the app does need it to run, move its package from devDependencies to dependencies.",
            "Or keep all packages in the image: BP_NODE_PRUNE=false.",
        ),
    )


def no_adapter() -> Problem:
    """A SvelteKit app with the adapter of its starter, which builds for some vendors' platforms only."""
    return Problem(
        "SvelteKit has built nothing that can be served",
        "The app has @sveltejs/adapter-auto, which knows some vendors' platforms and no container.",
        steps=(
            "For a server: run `npm install --save-dev @sveltejs/adapter-node`.",
            "For files alone: run `npm install --save-dev @sveltejs/adapter-static`.",
            "Name it instead of adapter-auto in svelte.config.js or vite.config, and remove adapter-auto from package.json.",
        ),
    )


def no_integration() -> Problem:
    """A Qwik app as its starter makes it, which builds the half for browsers only."""
    return Problem(
        "Qwik has built nothing that can be served",
        "The app has no integration, so its build made the files for browsers and no pages.",
        steps=(
            "For a server: run `npm run qwik add node-server`, or with express or fastify in its place.",
            "For files alone: run `npm run qwik add static`.",
        ),
    )
