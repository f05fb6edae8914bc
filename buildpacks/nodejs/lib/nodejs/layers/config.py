"""Layer `nodejs-conf`: how Node.js behaves in this image, and what runs before the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import connections, start
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from nodejs.manifest import Manifest
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

WORKER_MEMORY = 512
"""MiB for each process of an app that starts several: what Heroku counts with too."""

_MEMORY = r"""#!/usr/bin/env bash
# exec.d: three quarters of the container's memory for JavaScript objects, unless NODE_OPTIONS says how much. Node.js
# does not know of the limit, or leaves more unused.
set -uo pipefail
[[ ${NODE_OPTIONS-} == *max-old-space-size* || ${NODE_OPTIONS-} == *max_old_space_size* ]] && exit 0

machine=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo) / 1024))
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    if [[ -r $file ]] && read -r limit <"$file" && [[ $limit =~ ^[0-9]+$ ]]; then
        limit=$((limit / 1048576))
        ((limit < machine)) || exit 0
        options="${NODE_OPTIONS:+$NODE_OPTIONS }--max-old-space-size=$((limit * 3 / 4))"
        options=${options//\\/\\\\}
        printf 'NODE_OPTIONS = "%s"\n' "${options//\"/\\\"}" >&3
        exit 0
    fi
done
"""


def write(context: BuildContext, manifest: Manifest) -> Layer:
    """Write the layer anew."""
    layer = context.layers.fresh_layer("nodejs-conf", Types(launch=True, build=True))
    layer.env("NODE_ENV", context.exec_env, operation="default")
    # Servers of frameworks listen at localhost otherwise, where nobody outside reaches them.
    layer.env("HOST", "0.0.0.0", operation="default", scope="launch")
    if "next" in manifest.packages:
        # Its standalone server listens there; engines set it to the container's name, which leads to one address only.
        layer.env("HOSTNAME", "0.0.0.0", operation="override", scope="launch")
    layer.search_path("PATH", context.app / "node_modules/.bin")
    layer.env("npm_config_update_notifier", "false", operation="default")
    for name, value in (("npm_package_name", manifest.name), ("npm_package_version", manifest.version)):
        if value:
            layer.env(name, value, operation="default", scope="launch")
    layer.exec_d(connections.NAME, connections.SCRIPT)
    layer.exec_d("node-memory", _MEMORY)
    return layer


def serve(layer: Layer) -> None:
    """Have the app find its port when it starts."""
    start.web(layer, worker_memory=WORKER_MEMORY)


def hand_over(context: BuildContext, folder: str, *, single_page: bool) -> None:
    """Tell the buildpack that serves files where they are."""
    layer = context.layers.fresh_layer("front-end", Types(build=True))
    layer.env("BP_WEB_SERVER_ROOT", folder, operation="default", scope="build")
    if single_page:
        layer.env("BP_WEB_SERVER_ENABLE_PUSH_STATE", "true", operation="default", scope="build")
