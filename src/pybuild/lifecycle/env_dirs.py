"""Reads directories of env files out of the build environment: the user's, the operator's, and those of layers.

Specification: platform.md, "User-Provided Variables" and "Operator-Defined Variables".
"""

from __future__ import annotations

import glob
import posixpath
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Refused
from pybuild.errors import InvalidFile
from pybuild.lifecycle.scripts import run_lines
from pybuild.spec.environ import Given, read_env_dir, read_user_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv


def read_given(
    env: BuildEnv,
    *,
    platform_dir: str,
    build_config_dir: str,
    target: Mapping[str, str],
    exec_env: str = "",
) -> Given:
    """What platform and operator give to every buildpack, read from their directories; one round trip, or three.

    `build_config_dir`: "" where the Platform API has none (before 0.11). `InvalidFile` for a file that is no
    variable: a link to nowhere, a hostile name, a NUL byte, more than 1 MiB.
    """
    user_dir, operator_dir = f"{platform_dir}/env", f"{build_config_dir}/env"
    files = follow_links(env, env.read_files([*patterns(user_dir), *patterns(operator_dir)]))
    user, operator = (_inside(files, directory) for directory in (user_dir, operator_dir))
    return Given(
        platform_dir=platform_dir,
        user=read_user_variables(user, where=user_dir),
        operator=read_env_dir(operator, where=operator_dir, plain="default") if build_config_dir else (),
        target=target,
        exec_env=exec_env,
    )


def patterns(directory: str, below: str = "") -> tuple[str, str]:
    """The glob patterns of all files in `directory`, or in those of its directories that `below` names."""
    base = glob.escape(directory) + (f"/{below}" if below else "")
    return (f"{base}/*", f"{base}/.*")


def follow_links(env: BuildEnv, files: Mapping[str, bytes | Refused]) -> dict[str, bytes]:
    """`files` with symbolic links replaced by what they lead to; links to directories are left out.

    Mounted configuration (a Kubernetes ConfigMap) consists of links. They are resolved inside the build
    environment by the build user, who is the one to see the content. `InvalidFile` for anything else that could
    not be read.
    """
    links = [path for path, content in files.items() if content == Refused(why="symlink")]
    targets = _targets(env, links) if links else {}
    led_to = env.read_files([glob.escape(target) for target in targets.values()]) if targets else {}
    found: dict[str, bytes] = {}
    for path, content in files.items():
        if path not in targets:
            found[path] = readable(path, content)
        elif targets[path] in led_to:
            found[path] = readable(path, led_to[targets[path]])
    return found


def readable(path: str, content: bytes | Refused) -> bytes:
    """`content`, or an `InvalidFile` that names `path` and says why it was not read."""
    if isinstance(content, Refused):
        raise InvalidFile(f"{path}: cannot be read: {content.why}")
    return content


def _targets(env: BuildEnv, links: Sequence[str]) -> dict[str, str]:
    """Where each link leads in the end; `InvalidFile` for one that leads nowhere."""
    # A final dot keeps the newlines that a name may end with: `$(…)` would drop them.
    first = 'to() { t=$(readlink -f -- "$1" && echo .) && [ -e "$1" ] || t=; printf \'%s\\0\' "$t"; }'
    said = run_lines(env, [f"to {quote(link)}" for link in links], first=first)
    led_to = said.decode("utf-8", "surrogateescape").split("\0")
    targets = {}
    for link, target in zip(links, led_to, strict=False):
        if not target:
            raise InvalidFile(f"{link}: is a symbolic link to nowhere")
        targets[link] = target.removesuffix("\n.")
    return targets


def _inside(files: Mapping[str, bytes], directory: str) -> dict[str, bytes]:
    return {
        posixpath.basename(path): content
        for path, content in files.items()
        if posixpath.dirname(path) == directory
    }
