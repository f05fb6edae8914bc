"""What a buildpack says about the image: processes, labels, slices (launch.toml), unmet entries (build.toml), store.

Buildpack API, "launch.toml", "build.toml" and "store.toml".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One way to start the app. `args` may be replaced by the user, `command` may not."""

    type: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    default: bool = False
    working_dir: str = ""
    exec_envs: tuple[str, ...] = ()

    def table(self) -> dict[str, Any]:
        """The process as launch.toml has it; what is empty is left out."""
        optional = {
            "args": list(self.args),
            "default": self.default,
            "working-dir": self.working_dir,
            "exec-env": list(self.exec_envs),
        }
        return {
            "type": self.type,
            "command": list(self.command),
            **{key: value for key, value in optional.items() if value},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `bin/build` ends with. `slices`: each a tuple of path globs. `store`: None keeps what was stored."""

    processes: tuple[Process, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[tuple[str, ...], ...] = ()
    unmet: tuple[str, ...] = ()
    store: Mapping[str, Any] | None = None

    def launch_table(self) -> dict[str, Any]:
        """launch.toml; empty when there is nothing to say."""
        parts: dict[str, Any] = {
            "labels": [{"key": key, "value": value} for key, value in self.labels.items()],
            "processes": [process.table() for process in self.processes],
            "slices": [{"paths": list(paths)} for paths in self.slices],
        }
        return {key: value for key, value in parts.items() if value}

    def build_table(self) -> dict[str, Any]:
        """build.toml; empty when every entry of the plan was met."""
        return {"unmet": [{"name": name} for name in self.unmet]} if self.unmet else {}
