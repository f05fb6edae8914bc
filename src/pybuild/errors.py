"""The tree of errors a user can act on; each owns its exit code and a hint.

PybuildError                     1
├── InvalidInput                 3   a flag, a name or a file that cannot mean what it says
│   ├── InvalidReference         3
│   ├── InvalidFile              3   a TOML or JSON file: names the file and the key
│   └── InvalidArchive           3   a tar or zip that we refuse to read
├── EngineUnavailable            4   no Docker Engine answers
│   └── EngineDenied             5   it answers, but not to this user
├── BuilderUnusable              6   no builder, or one that breaks the specification
├── SourceUnusable               7   no app, or one that cannot be read
├── DiskFull                     8   on this machine or on the engine
├── TimedOut                     9
├── RegistryError               10   a registry does not answer, or not as one should
│   └── RegistryDenied          13   it answers, but not to this user
├── PlatformApiUnsupported      11   Platform API, "Exit codes"
├── BuildpackApiUnsupported     12
├── LayersRebuilt               14   --require-cached, and a layer was made again
├── NotTrusted                  15   an image that lacks the signature, or the digest, that was asked for
├── NothingDetected             20   every group failed, none with an error
│   └── DetectionFailed         21   every group failed, one buildpack or more with an error
├── DetectError                 22
├── AnalyzeError                32
├── RestoreError                42
├── BuildpackFailed             51   a bin/build that did not exit with 0
├── BuildError                  52
│   ├── TooMuchOutput           53   a buildpack that wrote more than a build may print
│   └── ChangedLayer            54   a buildpack that changed what an earlier one had made
├── ExportError                 62
├── RebaseError                 72
├── LaunchError                 82
├── ExtensionFailed             91   an extension's bin/generate that did not exit with 0
├── GenerateError               92
└── ExtendError                102

A signal is no error: `cli.signals.Stopped` ends the process with 128 + its number (130 for Ctrl-C).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class PybuildError(Exception):
    """A failure the user can act on. `hint` is the next thing to try, as something to type where possible."""

    exit_code = 1
    usual_hint = "run it again with --verbose to see more"
    """For where the place that raises knows nothing better."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint


class InvalidInput(PybuildError):
    """A flag, a name, a variable or a file's content that cannot be used."""

    exit_code = 3
    usual_hint = "pybuild build --help tells what is expected"


class InvalidReference(InvalidInput):
    """A text that is no image name."""


class InvalidFile(InvalidInput):
    """A file with the wrong syntax or shape; the message names the file and the key."""

    usual_hint = "correct the file there"


class InvalidArchive(InvalidInput):
    """A tar or zip with entries that we refuse: traversal, devices, wrong lengths, limits."""

    usual_hint = "pack it anew with tar or zip, or get it again"


class EngineUnavailable(PybuildError):
    """No Docker Engine answers."""

    exit_code = 4
    usual_hint = "start it with: sudo systemctl start docker; pybuild doctor tells more"


class EngineDenied(EngineUnavailable):
    """The Docker Engine's socket refuses this user."""

    exit_code = 5
    usual_hint = "join the docker group: sudo usermod -aG docker $USER, then log in again"


class BuilderUnusable(PybuildError):
    """There is no builder, or it lacks what the specification demands of one."""

    exit_code = 6
    usual_hint = "choose another builder with --builder, or leave it out to use pybuild's own"


class SourceUnusable(PybuildError):
    """The app's folder is missing, empty or cannot be read."""

    exit_code = 7
    usual_hint = "name the app's folder with --path"


class DiskFull(PybuildError):
    """No space left, here or on the engine."""

    exit_code = 8
    usual_hint = "free some space, then try again: docker system df"


class TimedOut(PybuildError):
    """Something took longer than its limit."""

    exit_code = 9
    usual_hint = "try again; if it lasts, see whether the engine is well: docker info"


class RegistryError(PybuildError):
    """A registry does not answer, or answers with something that cannot be believed."""

    exit_code = 10
    usual_hint = "see whether the registry is well and its name is right"


class RegistryDenied(RegistryError):
    """A registry wants other credentials, or does not let this user do it."""

    exit_code = 13
    usual_hint = "docker login REGISTRY"


class NotTrusted(PybuildError):
    """An image has not been signed by the key that was named, or is not the one that was pinned."""

    exit_code = 15
    usual_hint = "see who signed it: pybuild signature check IMAGE --key FILE"


class PlatformApiUnsupported(PybuildError):
    """Platform API, "Platform API Compatibility": 11."""

    exit_code = 11
    usual_hint = "take a newer builder, or a newer pybuild"


class BuildpackApiUnsupported(PybuildError):
    """Platform API, "Exit codes": 12."""

    exit_code = 12
    usual_hint = "take a newer version of the buildpack, or a newer pybuild"


class LayersRebuilt(PybuildError):
    """With --require-cached: the image was built, but a layer of it did not come from the cache."""

    exit_code = 14
    usual_hint = "see what became of every layer: build with --explain-cache"


class NothingDetected(PybuildError):
    """Platform API, "detector": all groups have failed to detect, without error.

    `trail`: a `lifecycle.detect.GroupTrail` for every group that was tried.
    """

    exit_code = 20
    usual_hint = "see why: pybuild detect"

    def __init__(self, message: str, *, hint: str = "", trail: tuple[object, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.trail = trail


class DetectionFailed(NothingDetected):
    """Platform API, "detector": all groups have failed to detect and at least one buildpack has errored."""

    exit_code = 21


class DetectError(PybuildError):
    """Platform API, "detector": detection-specific error conditions."""

    exit_code = 22
    usual_hint = "the buildpack breaks the specification: try another version of it, or tell its authors"


class AnalyzeError(PybuildError):
    """Platform API, "analyzer": analysis-specific error conditions."""

    exit_code = 32
    usual_hint = "try again; if it fails again, once with --clear-cache"


class RestoreError(PybuildError):
    """Platform API, "restorer": restoration-specific error conditions."""

    exit_code = 42
    usual_hint = "try again; if it fails again, once with --clear-cache"


class BuildpackFailed(PybuildError):
    """Platform API, "builder": a buildpack's bin/build did not exit with 0.

    `place`, `command`: the `buildenv.api.BuildEnv` it ran in and the `Command` that it was, where they are known.
    """

    exit_code = 51
    usual_hint = "what it wrote above tells more"

    def __init__(self, message: str, *, hint: str = "", place: object = None, command: object = None) -> None:
        super().__init__(message, hint=hint)
        self.place = place
        self.command = command


class BuildError(PybuildError):
    """Platform API, "builder": build-specific error conditions."""

    exit_code = 52
    usual_hint = "the buildpack breaks the specification: try another version of it, or tell its authors"


class TooMuchOutput(BuildError):
    """Programs of a build wrote more to their output than `--log-limit` allows."""

    exit_code = 53
    usual_hint = "see above what it repeats; --log-limit allows more"


class ChangedLayer(BuildError):
    """A buildpack changed a layer that an earlier one had made."""

    exit_code = 54
    usual_hint = "build without that buildpack; if you trust it: --trust-builder"


class ExportError(PybuildError):
    """Platform API, "exporter": export-specific error conditions."""

    exit_code = 62
    usual_hint = "try again; if it fails again, once with --clear-cache"


class RebaseError(PybuildError):
    """Platform API, "rebaser": rebase-specific error conditions."""

    exit_code = 72


class LaunchError(PybuildError):
    """Platform API, "launcher": launch-specific error conditions."""

    exit_code = 82


class ExtensionFailed(PybuildError):
    """Platform API, "detector": an extension's bin/generate did not exit with 0."""

    exit_code = 91


class GenerateError(PybuildError):
    """Platform API, "detector": generation-specific error conditions."""

    exit_code = 92


class ExtendError(PybuildError):
    """Platform API, "extender": extension-specific error conditions."""

    exit_code = 102


def causes(exc: BaseException) -> Iterator[BaseException]:
    """`exc` and all errors that it wraps: urllib3 and requests put the true cause into arguments and `reason`.

    A signal is none, though what is done because of it may fail.
    """
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting and len(seen) < 50:
        cause = waiting.pop(0)
        if (cause is exc or isinstance(cause, Exception)) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, "reason", None), *cause.args, cause.__cause__, cause.__context__]
