"""One run of a phase: its inputs, where it may look for images, who it runs as, and the files it reads and writes.

Specification: platform.md, "Operations" / "Inputs", "Platform API Compatibility", "Experimental Features".
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pybuild import __version__
from pybuild.buildenv.local import OUTPUT_SETTING, LocalBuildEnv
from pybuild.buildenv.output_limit import amount
from pybuild.errors import InvalidFile, InvalidInput, PybuildError, RegistryError
from pybuild.events import warn
from pybuild.lifecycle import privileges
from pybuild.spec.analyzed import Analyzed
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import LauncherIdentity
from pybuild.spec.order import Group, OrderFile
from pybuild.spec.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pybuild.lifecycle.inputs import Inputs, PhaseName
    from pybuild.stores.api import ImageStore

    StoreOpener = Callable[["PhaseRun"], Callable[[], ImageStore]]

Parsed = TypeVar("Parsed")
_LARGEST_FILE = 64 << 20
_KINDS: Mapping[object, str] = {Analyzed: "analyzed", Group: "group", OrderFile: "order", Plan: "plan"}
EXTENSIONS_STABLE_SINCE = ApiVersion(0, 13)
"""Before it, a platform must allow image extensions with CNB_EXPERIMENTAL_MODE (GEN-10)."""

IDENTITY = LauncherIdentity(version=__version__, repository="github.com/pybuild/pybuild", commit="")
"""What goes into the label of images about the lifecycle that made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRun:
    """What a phase was started with.

    `stores`: for "daemon", "registry" and "layout" a function that is called with all rights that the phase was
    started with, and gives one that opens the store later, as the build user. `mentioned`: images that files of earlier
    phases and of the builder name.
    """

    phase: PhaseName
    inputs: Inputs
    api: ApiVersion
    environ: Mapping[str, str]
    stores: Mapping[str, StoreOpener]
    identity: LauncherIdentity = field(default=IDENTITY)
    mentioned: tuple[str, ...] = ()

    @property
    def tmp_dir(self) -> str:
        """Where build plans are put while their buildpacks run."""
        return self.environ.get("TMPDIR") or "/tmp"

    @property
    def store_kind(self) -> Literal["layout", "daemon", "registry"]:
        """Where the images of this run are."""
        return "layout" if self.inputs.layout else "daemon" if self.inputs.daemon else "registry"

    def here(self) -> LocalBuildEnv:
        """This machine, where the phase's programs run. Raises `InvalidInput` for a limit that is none."""
        return LocalBuildEnv(output_limit=self.output_limit)

    @property
    def output_limit(self) -> int:
        """Bytes that programs of the phase may write; 0 for no limit. Raises `InvalidInput`."""
        most = amount(self.inputs.log_limit)
        if most < 0:
            raise InvalidInput(
                f"{OUTPUT_SETTING} {self.inputs.log_limit!r} is no amount of output: "
                f"expected something such as 100m or 2g, or 0 for no limit",
                hint=f"{OUTPUT_SETTING}=2g",
            )
        return most

    def image_store(self) -> Callable[[], ImageStore]:
        """Make ready to reach the images that this run is about; call the result as the build user."""
        return self.stores[self.store_kind](self)

    @contextmanager
    def registry_failing_as(self, kind: type[PybuildError]) -> Iterator[None]:
        """A registry that fails ends the phase with the exit code that platform.md has for its own work."""
        try:
            yield
        except RegistryError as exc:
            raise kind(str(exc), hint=exc.hint) from exc

    def drop_privileges(self, *volumes: str) -> None:
        """Make `volumes` the build user's, and be the build user from now on."""
        privileges.own([path for path in volumes if path], self.inputs.uid, self.inputs.gid)
        privileges.become(self.inputs.uid, self.inputs.gid)

    def guard_experimental(self, feature: str) -> None:
        """Raise unless the platform allows experimental features; GEN-10. GO-76: `quiet`, for `silent`."""
        mode = self.environ.get("CNB_EXPERIMENTAL_MODE") or "error"
        if mode == "error":
            raise PybuildError(
                f"Platform requested experimental feature '{feature}', which is disabled",
                hint=f"experimental features are disabled by CNB_EXPERIMENTAL_MODE={mode}; with warn they are not",
            )
        if mode not in ("quiet", "silent"):
            warn(f"Platform requested experimental feature '{feature}'")


def read_file(path: str, parse: Callable[[bytes, str], Parsed], *, missing: Parsed | None = None) -> Parsed:
    """What `parse(content, path)` makes of a file; `missing`, if given, where there is none.

    Anything else is a `PybuildError` (1): platform.md leaves 1 to 10 for what is wrong before a phase's own work.
    """
    try:
        return parse(_content(path), path)
    except FileNotFoundError as exc:
        if missing is not None:
            return missing
        raise PybuildError(
            f"{_failed(parse)}open {path}: no such file or directory",
            hint="an earlier phase writes it, or a flag names another place",
        ) from exc
    except OSError as exc:
        raise PybuildError(f"{_failed(parse)}{path}: cannot be read: {exc.strerror}") from exc
    except InvalidFile as exc:
        said = str(exc)
        if said.startswith(f"{path}: line "):
            said = f"toml: {said.removeprefix(f'{path}: ')} ({path})"
        raise PybuildError(f"{_failed(parse)}{said}", hint=exc.hint) from exc


def _failed(parse: Callable[[bytes, str], object]) -> str:
    """The words that users of the Go lifecycle look for, where `parse` reads one of these files."""
    kind = _KINDS.get(getattr(parse, "__self__", None))
    return f"failed to read {kind} file: " if kind else ""


def _content(path: str) -> bytes:
    # A buildpack may have put something else there: a FIFO would be waited for, a device never ends.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise PybuildError(f"{path}: cannot be read: it is no regular file")
        return file.read(_LARGEST_FILE)


def read_analyzed(run: PhaseRun) -> Analyzed:
    """analyzed.toml; a missing one is an empty one (GO-55)."""
    path = run.inputs.analyzed
    if not Path(path).exists():
        warn(f'No analyzed metadata found at path "{path}"')
    return read_file(path, Analyzed.read, missing=Analyzed())


def write_file(path: str, content: bytes) -> None:
    """Put `content` at `path`, whose folder is made if missing. What was there is replaced, not written through."""
    try:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        with place.open("xb") as file:
            file.write(content)
    except OSError as exc:
        raise PybuildError(
            f"{path}: cannot be written: {exc.strerror}", hint="the build user must be able to write there"
        ) from exc
