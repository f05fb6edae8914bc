"""What a build came to: as the rows that end it, for people, and as data."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import human_size, human_time
from pybuild.cli.show.table import NO_BREAK, table

if TYPE_CHECKING:
    from pybuild.cli.show.console import Console
    from pybuild.cli.show.json_log import JsonLog
    from pybuild.cli.show.why import Decisions
    from pybuild.platform.build import BuildResult
    from pybuild.platform.outputs import Delivered
    from pybuild.spec.launch import Process


def show_built(shown: Console | JsonLog, result: BuildResult) -> None:
    """The end of a build: what it is, what was reused, how long it took, what to type next."""
    name = result.names[0]
    shown.line("")
    done = "published" if result.outputs[0].output.kind == "registry" else "built"
    shown.line(f"Successfully {done} image '{name}'", style="32")
    made = (
        f"{result.reused} of {result.reused + result.added} layers reused"
        if result.reused
        else "all layers new"
    )
    rows = [("size", _size(result))]
    if result.digest:
        rows.append(("digest", result.digest))
    if len(result.outputs) > 1 or result.outputs[0].output.dest:
        rows.extend(("in", _place(each)) for each in result.outputs)
    rows.append(
        ("layers", "nothing changed" if not result.changed else f"{made}, {human_size(result.sent)} sent")
    )
    for process in result.processes:
        mark = " (default)" if process.type == result.default_process else ""
        rows.append(("process", f"{process.type}{mark}: {_one_line(process, shown.width)}"))
    timings = {"preparing": result.seconds - sum(shown.timings.values()), **shown.timings}
    took = ", ".join(
        f"{phase.lower()} {human_time(seconds)}".replace(" ", NO_BREAK) for phase, seconds in timings.items()
    )
    rows.append(("time", f"{human_time(result.seconds)} ({took})"))
    for line in table(rows, width=shown.width, indent="  "):
        shown.line(line)
    shown.line("")
    shown.line(f"Run it:  {result.run_command}")


def _place(each: Delivered) -> str:
    names = ", ".join(map(str, each.output.names))
    named = f" as {names}" if each.output.dest else ""
    return f"{each.output.where}{named} ({human_size(each.sent) + ' sent' if each.changed else 'unchanged'})"


def _size(result: BuildResult) -> str:
    if not 0 < result.base_size <= result.size:
        return human_size(result.size)
    above = human_size(result.size - result.base_size)
    return f"{human_size(result.size)}, {above} of it above the run image {result.run_image}"


def _one_line(process: Process, width: int) -> str:
    """The command as a shell would take it; scripts of many lines are cut after the first words."""
    words = shlex.join([*process.command, *(process.args or ())])
    return textwrap.shorten(words, max(width - 20 - len(process.type), 30), placeholder=" …")


def built_data(result: BuildResult, timings: dict[str, float], decisions: Decisions) -> dict[str, Any]:
    """The same as data, for `--json`. `timings`: seconds of each phase. `decisions`: what became of every layer."""
    return {
        "image": result.names[0],
        "names": list(result.names),
        "image_id": result.image_id,
        "digest": result.digest or None,
        "changed": result.changed,
        "size_bytes": result.size,
        "above_run_image_bytes": max(result.size - result.base_size, 0) if result.base_size else None,
        "sent_bytes": result.sent,
        "layers": {"reused": result.reused, "added": result.added},
        "layer_decisions": decisions.data(),
        "buildpacks": [{"id": item.id, "version": item.version} for item in result.buildpacks],
        "processes": [
            {
                "type": process.type,
                "command": list(process.command),
                "args": list(process.args or ()),
                "default": process.type == result.default_process,
            }
            for process in result.processes
        ],
        "builder": result.builder,
        "run_image": result.run_image,
        "outputs": [
            {
                "type": each.output.kind,
                "dest": each.output.dest or None,
                "names": list(map(str, each.output.names)),
                "image_id": each.image_id,
                "digest": each.digest or None,
                "changed": each.changed,
                "size_bytes": each.size,
                "sent_bytes": each.sent,
            }
            for each in result.outputs
        ],
        "seconds": round(result.seconds, 3),
        "phases": {phase.lower(): round(seconds, 3) for phase, seconds in timings.items()},
    }
