"""Layer `python-conf`: how Python and the servers behave in this image, and what runs before the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import connections, start
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

WORKER_MEMORY = 128
"""MiB for each worker: what a Django or Flask app with an ORM takes."""

# Servers other than gunicorn read no PORT, but variables of their own.
_PORTS = """#!/usr/bin/env bash
# exec.d: the port for servers that know it by a name of their own, where it is not set.
set -uo pipefail

emit() {
    [[ -n ${!1-} ]] || printf '%s = "%s"\\n' "$1" "$2" >&3
}

port=${PORT:-8080}
[[ $port =~ ^[0-9]{1,5}$ ]] || port=8080
for name in UVICORN STREAMLIT_SERVER GRADIO_SERVER FLASK_RUN; do
    emit "${name}_PORT" "$port"
done
emit UVICORN_HOST 0.0.0.0
emit STREAMLIT_SERVER_ADDRESS 0.0.0.0
emit STREAMLIT_SERVER_HEADLESS true
emit STREAMLIT_BROWSER_GATHER_USAGE_STATS false
emit GRADIO_SERVER_NAME 0.0.0.0
emit FLASK_RUN_HOST 0.0.0.0
@gunicorn@
"""

# Workers tell that they live by touching a file, which must not wait for a disk.
_GUNICORN = """memory=''
[[ -w /dev/shm ]] && memory=' --worker-tmp-dir=/dev/shm'
emit GUNICORN_CMD_ARGS "--access-logfile=- --graceful-timeout=25@control@$memory"
"""


def write(context: BuildContext) -> Layer:
    """Write the layer anew."""
    layer = context.layers.fresh_layer("python-conf", Types(launch=True, build=True))
    layer.env("LANG", "C.UTF-8", operation="default")
    # Logs must arrive while the app runs, and a crash in C must say where.
    layer.env("PYTHONUNBUFFERED", "1", operation="default")
    layer.env("PYTHONFAULTHANDLER", "1", operation="default", scope="launch")
    # In a container everything that comes in comes through a proxy.
    layer.env("FORWARDED_ALLOW_IPS", "*", operation="default", scope="launch")
    if context.exec_env != "development":
        layer.env("PYTHONDONTWRITEBYTECODE", "1", operation="default", scope="launch")
    layer.exec_d(connections.NAME, connections.SCRIPT)
    return layer


def serve(context: BuildContext, layer: Layer, *, control_socket: bool) -> None:
    """Have the app find its port, and servers their settings, when it starts.

    `control_socket`: the app's gunicorn has one, which is switched off.
    """
    start.web(layer, worker_memory=WORKER_MEMORY)
    # gunicorn takes the words of the variable before the app's own file.
    own = (context.app / "gunicorn.conf.py").is_file()
    words = _GUNICORN.replace("@control@", " --no-control-socket" if control_socket else "")
    layer.exec_d("python-ports", _PORTS.replace("@gunicorn@\n", "" if own else words))
