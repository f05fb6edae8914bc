"""What went wrong with packages or scripts, from what the tools say: the causes that people meet, each with its way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild.libcnb import command

if TYPE_CHECKING:
    from pybuild.libcnb.problem import Problem

_CAUSES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        r"ENOTCACHED|ERR_PNPM_NO_OFFLINE_(?:TARBALL|META)|YN0080",
        "A package is not in the cache, and the package registry cannot be reached",
        ("Build once with a network: the package was not needed before, or not in this version.",),
    ),
    (
        r"npm ci.*can only install packages when|Missing: .* from lock file|ERR_PNPM_OUTDATED_LOCKFILE|YN0028|lockfile needs to be updated",
        "The lock file is out of date",
        ("Run {tool} install on your machine, and commit the lock file.",),
    ),
    (
        r"EINTEGRITY|ERR_PNPM_TARBALL_INTEGRITY|YN0018|integrity check failed",
        "A package is not the one that was locked",
        (
            "Lock again on your machine and commit the lock file, if a release was replaced in the registry.",
            "If it was not, someone may be tampering with the connection or the registry.",
        ),
    ),
    (
        r"ERESOLVE",
        "There are no versions of the packages that go together",
        (
            "Read above which package wants which version of another, and change one of them.",
            "If it works on your machine with --legacy-peer-deps, write legacy-peer-deps=true into .npmrc.",
        ),
    ),
    (
        r"E401|E403|401 Unauthorized|403 Forbidden|YN0041",
        "The package registry does not let the build in",
        ("Give the build credentials: a binding of type npmrc with a file .npmrc.",),
    ),
    (
        r"E404|404 Not Found|ERR_PNPM_FETCH_404",
        "A package is not in the registry",
        (
            "Check its name and version above.",
            "If it is a private one, give the build a binding of type npmrc with a file .npmrc.",
        ),
    ),
    (
        r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ECONNRESET|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT",
        "The package registry cannot be reached",
        (
            "Check that the build can reach the host above; set http_proxy and https_proxy if it needs a proxy.",
            "Use a mirror inside your network: set npm_config_registry.",
        ),
    ),
    (
        r"node-gyp|gyp ERR!",
        "A package could not be compiled",
        (
            "Read above what the compiler misses: a library's headers have to be in the builder.",
            "Or ask for a version of the package that brings a binary for this Node.js.",
        ),
    ),
    (
        r"EBADENGINE|Unsupported engine|ERR_PNPM_UNSUPPORTED_ENGINE|The engine \"node\" is incompatible",
        "A package does not run on this Node.js",
        ("Ask for another Node.js: engines.node in package.json, .nvmrc, or BP_NODE_VERSION.",),
    ),
)


def install_failed(failure: command.ToolFailed, tool: str) -> Problem:
    """A failed installation with its cause, as far as it is known; what the tool said has been shown already."""
    for pattern, heading, steps in _CAUSES:
        if re.search(pattern, failure.log, re.DOTALL):
            return command.explained(
                command.ToolFailed(str(failure)),
                heading,
                steps=tuple(step.format(tool=tool) for step in steps),
            )
    return command.explained(
        command.ToolFailed(str(failure)),
        "The packages could not be installed",
        steps=("Read what is said above; installing them on your machine should show the same.",),
    )


def script_failed(failure: command.ToolFailed, name: str, tool: str) -> Problem:
    """A failed script of the app."""
    steps = [
        f"Run `{tool} run {name}` on your machine, with NODE_ENV=production, and see whether it fails there too."
    ]
    if "heap out of memory" in failure.log:
        steps.insert(0, "Give it more memory: set NODE_OPTIONS=--max-old-space-size=4096 for the build.")
    if re.search(r"Cannot find (?:module|package)|command not found|: not found", failure.log):
        steps.insert(0, "Add what is missing above to dependencies or devDependencies of package.json.")
    return command.explained(
        command.ToolFailed(str(failure)), f"The script {name} failed", steps=tuple(steps)
    )
