"""How an app is started, the same for every language: signals arrive, PORT is a number, workers fit into the memory.

What runs in the image is bash: run images have no Python, and every Debian and Ubuntu has bash.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pybuild.libcnb import output
from pybuild.libcnb.layers import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.launch import Process
    from pybuild.libcnb.layers import Layer

INIT = "pybuild-init"
DEFAULT_PROCESS = "PYBUILD_DEFAULT_PROCESS"
"""A build variable: the process type that the image starts, for a Procfile that has no `web`."""

MOST_PROCFILE_BYTES = 1 << 20

# What only a shell can run: several commands, control flow, builtins, assignments in front.
_NOT_SIMPLE = re.compile(
    r"[;&|(){}`\n]|^\s*(?:[A-Za-z_]\w*\+?=|(?:exec|source|\.|eval|cd|export|set|trap|if|for|while|until|case|time|!|\[\[)\s)"
)
_PROCFILE_LINE = re.compile(r"^[ \t]*([A-Za-z0-9][A-Za-z0-9_-]*)[ \t]*:[ \t]*\S", re.MULTILINE)

_INIT_SCRIPT = """\
#!/usr/bin/env bash
# Process 1 of a container: the kernel keeps signals from it that it has no handler for, and most programs count on the
# default. So the program is a child here. It gets the signals, and with -g so does everything that it starts.
# A shell has its background processes ignore INT and QUIT: those are passed on as TERM.
group=''
[[ ${1-} == -g ]] && { group=-; shift; }
told='' child=''
pass() {
    told=$1
    [[ -n $child ]] && kill -"$1" -- "$group$child" 2>/dev/null
}
trap 'pass TERM' TERM INT QUIT
for name in HUP USR1 USR2; do trap "pass $name" "$name"; done

if [[ -n $group ]]; then setsid "$@" <&0 & else "$@" <&0 & fi
child=$!
[[ -n $told ]] && pass "$told"
{
    wait "$child"; status=$?
    # A signal ends the waiting before the child has ended.
    while [[ -n $told && $status -gt 128 ]]; do
        told=''
        wait "$child"; next=$?
        ((next == 127)) && break
        status=$next
    done
} 2>/dev/null
exit "$status"
"""

_WEB_SCRIPT = """\
#!/usr/bin/env bash
# exec.d: PORT is 8080 unless it is set, and a port number. WEB_CONCURRENCY is as many workers as the processors can use
# and the memory holds, unless it is set.
set -uo pipefail

fail() {
    echo "error: $1" >&2
    exit 2
}

port=${PORT:-8080}
{ [[ $port =~ ^[0-9]{1,5}$ ]] && ((10#$port >= 1 && 10#$port <= 65535)); } ||
    fail "PORT must be a number from 1 to 65535, got '$port'"
printf 'PORT = "%s"\\n' "$((10#$port))" >&3

per=${WEB_MEMORY:-@memory@}
[[ $per =~ ^[0-9]{1,6}$ ]] || fail "WEB_MEMORY must be a number of MiB for each worker, got '$per'"
((10#$per)) || exit 0
if [[ -n ${WEB_CONCURRENCY-} ]]; then
    [[ $WEB_CONCURRENCY =~ ^[1-9][0-9]{0,3}$ ]] ||
        fail "WEB_CONCURRENCY must be a number from 1 to 9999, got '$WEB_CONCURRENCY'"
    exit 0
fi

# MiB: the limit of control groups 2, then 1, then the machine's memory.
total=$(($(sed -n 's/^MemTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo) / 1024))
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    if [[ -r $file ]] && read -r limit <"$file" && [[ $limit =~ ^[0-9]+$ ]]; then
        limit=$((limit / 1048576))
        ((limit < total)) && total=$limit
        break
    fi
done

# Processors: the share of control groups, rounded up, or all that may be used.
processors=$(nproc)
quota='' period=''
if [[ -r /sys/fs/cgroup/cpu.max ]]; then
    read -r quota period </sys/fs/cgroup/cpu.max
elif [[ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]]; then
    quota=$(</sys/fs/cgroup/cpu/cpu.cfs_quota_us) period=$(</sys/fs/cgroup/cpu/cpu.cfs_period_us)
fi
if [[ $quota =~ ^[1-9][0-9]*$ && $period =~ ^[1-9][0-9]*$ ]]; then
    share=$(((quota + period - 1) / period))
    ((share < processors)) && processors=$share
fi

workers=$((processors * 2 + 1))
fits=$((total / 10#$per))
((fits < workers)) && workers=$fits
((workers < 1)) && workers=1
printf 'WEB_CONCURRENCY = "%s"\\n' "$workers" >&3
"""


def supervised(layer: Layer, *argv: str, group: bool = False) -> tuple[str, ...]:
    """A process's command: `argv` as the child of a small init, which `layer` (for launch) gets on the PATH.

    `group`: signals go to everything that it starts, too; for shells and programs such as npm that pass nothing on.
    """
    write_file(layer.path / "bin" / INIT, _INIT_SCRIPT, mode=0o755)
    return (INIT, *(["-g"] if group else []), *argv)


def shell(layer: Layer, line: str) -> tuple[str, ...]:
    """A process's command for a line of shell, such as `uvicorn app:app --port $PORT` or `a && b | c`."""
    if _NOT_SIMPLE.search(line):
        return supervised(layer, "bash", "-c", line, group=True)
    return supervised(layer, "bash", "-c", f"exec {line}")


def web(layer: Layer, *, worker_memory: int = 0) -> None:
    """Have PORT set and checked when the app starts, and with `worker_memory` (MiB each) WEB_CONCURRENCY, too.

    To be called where there is a process `web`; `layer` must be for launch and build, so that a Procfile without a
    `web` does not take the default away.
    """
    assert layer.types.launch, layer
    assert layer.types.build, layer
    layer.exec_d("pybuild-web", _WEB_SCRIPT.replace("@memory@", str(worker_memory)))
    layer.env(DEFAULT_PROCESS, "web", scope="build")


def procfile_types(app: Path) -> tuple[str, ...]:
    """The process types that the app's Procfile names; none when there is no such file."""
    file = app / "Procfile"
    if not file.is_file():
        return ()
    with file.open("rb") as stream:
        text = stream.read(MOST_PROCFILE_BYTES).decode(errors="replace")
    return tuple(dict.fromkeys(_PROCFILE_LINE.findall(text.removeprefix("\ufeff"))))


def beside_procfile(context: BuildContext, processes: Iterable[Process]) -> tuple[Process, ...]:
    """The processes that stay: those that the Procfile does not name. If it names `web`, none of ours is the default.

    Ask `procfile_types` before, where finding a command for `web` takes work or may fail: with one in the Procfile it
    is not needed.
    """
    named = procfile_types(context.app)
    if named:
        output.section(f"The Procfile says how to start {', '.join(named)}")
    default = "web" not in named
    return tuple(
        replace(process, default=process.default and default)
        for process in processes
        if process.type not in named
    )
