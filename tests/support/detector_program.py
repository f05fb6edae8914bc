"""The detector as a program, for recordings: flags and files in, an exit code, group.toml and plan.toml out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import (
    BuilderUnusable,
    InvalidFile,
    InvalidInput,
    PybuildError,
)
from pybuild.lifecycle.detect import Detected, DetectInputs, detect
from pybuild.lifecycle.env_dirs import read_given
from pybuild.lifecycle.generate import GenerateInputs, generate
from pybuild.spec import target as targets
from pybuild.spec.analyzed import Analyzed, RunToml
from pybuild.spec.api import ApiVersion, check_platform_api
from pybuild.spec.order import OrderFile, System
from pybuild.spec.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE = 2
INVALID_ARGUMENTS = InvalidInput.exit_code

# Flag: its environment variable, its default, the first Platform API that knows it.
FLAGS = {
    "analyzed": ("CNB_ANALYZED_PATH", "<layers>/analyzed.toml", 10),
    "app": ("CNB_APP_DIR", "/workspace", 7),
    "build-config": ("CNB_BUILD_CONFIG_DIR", "/cnb/build-config", 11),
    "buildpacks": ("CNB_BUILDPACKS_DIR", "/cnb/buildpacks", 7),
    "extensions": ("CNB_EXTENSIONS_DIR", "/cnb/extensions", 10),
    "generated": ("CNB_GENERATED_DIR", "<layers>/generated", 10),
    "group": ("CNB_GROUP_PATH", "<layers>/group.toml", 7),
    "layers": ("CNB_LAYERS_DIR", "/layers", 7),
    "log-level": ("CNB_LOG_LEVEL", "info", 7),
    "no-color": ("CNB_NO_COLOR", "", 7),
    "order": ("CNB_ORDER_PATH", "<layers>/order.toml", 7),
    "plan": ("CNB_PLAN_PATH", "<layers>/plan.toml", 7),
    "platform": ("CNB_PLATFORM_DIR", "/platform", 7),
    "run": ("CNB_RUN_PATH", "/cnb/run.toml", 12),
    "system": ("CNB_SYSTEM_PATH", "/cnb/system.toml", 15),
}


class _UsageError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def detector(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run detection as `arguments` say; the error, if there is one, is told as a line `ERROR: …`."""
    try:
        _run(arguments, environ)
    except _UsageError as exc:
        return exc.code
    except (InvalidFile, BuilderUnusable) as exc:
        # platform.md leaves 1 for what is wrong before a phase's own work begins.
        events.info(f"ERROR: {exc}")
        return 1
    except PybuildError as exc:
        events.info(f"ERROR: {exc}")
        return exc.exit_code
    return 0


def _run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    platform_api = check_platform_api(environ.get("CNB_PLATFORM_API", ""))
    paths = _options(arguments[1:], environ, platform_api)
    if os.geteuid() == 0:
        raise PybuildError("refusing to run as root")
    env = LocalBuildEnv()
    analyzed = _read_analyzed(paths["analyzed"])
    order = OrderFile.read(_content(paths["order"]), paths["order"])
    if order.order_extensions and platform_api < ApiVersion(0, 13):
        _guard_experimental(environ.get("CNB_EXPERIMENTAL_MODE", "error"))
    run_image = analyzed.run_image
    target = (run_image.target if run_image else None) or Target(os="linux", arch="amd64")
    inputs = DetectInputs(
        order=order,
        system=_read_system(paths["system"]),
        platform_api=platform_api,
        target=target,
        given=read_given(
            env,
            platform_dir=paths["platform"],
            build_config_dir=paths["build-config"],
            target=targets.environ(target),
            exec_env=environ.get("CNB_EXEC_ENV", "production"),
        ),
        environ=environ,
        app_dir=paths["app"],
        buildpacks_dir=paths["buildpacks"],
        extensions_dir=paths["extensions"],
        tmp_dir=environ["TMPDIR"],
    )
    detected = detect(env, inputs)
    Path(paths["group"]).write_bytes(detected.group.write())
    Path(paths["plan"]).write_bytes(detected.plan.write())
    if detected.group.extensions:
        _generate(env, inputs, detected, analyzed, paths)


def _generate(
    env: LocalBuildEnv,
    inputs: DetectInputs,
    detected: Detected,
    analyzed: Analyzed,
    paths: Mapping[str, str],
) -> None:
    run_images = RunToml()
    if Path(paths["run"]).exists():
        run_images = RunToml.read(_content(paths["run"]), paths["run"])
    else:
        events.info(f'No run metadata found at path "{paths["run"]}"')
    generated = generate(
        env,
        GenerateInputs(
            detect=inputs,
            detected=detected,
            analyzed=analyzed,
            run_images=run_images.images,
            generated_dir=paths["generated"],
        ),
    )
    Path(paths["analyzed"]).write_bytes(generated.analyzed.write())
    Path(paths["plan"]).write_bytes(generated.plan.write())


def _options(
    arguments: Sequence[str], environ: Mapping[str, str], platform_api: ApiVersion
) -> dict[str, str]:
    """The value of every flag; `_UsageError` for one that this Platform API does not know, or a surplus word."""
    given: dict[str, str] = {}
    words = list(arguments)
    while words and words[0].startswith("-"):
        name, is_joined, value = words.pop(0).lstrip("-").partition("=")
        if name not in FLAGS or platform_api < ApiVersion(0, FLAGS[name][2]):
            raise _UsageError(USAGE)
        given[name] = value if is_joined else words.pop(0)
    if words:
        raise _UsageError(INVALID_ARGUMENTS)
    values = {
        name: given.get(name) or environ.get(variable) or default
        for name, (variable, default, _) in FLAGS.items()
    }
    found = {name: value.replace("<layers>", values["layers"]) for name, value in values.items()}
    if values["order"].startswith("<layers>") and not Path(found["order"]).exists():
        found["order"] = "/cnb/order.toml"
    return found


def _guard_experimental(mode: str) -> None:
    if mode == "error":
        raise PybuildError("Platform requested experimental feature 'Dockerfiles', which is disabled")
    if mode != "quiet":
        events.warn("Platform requested experimental feature 'Dockerfiles'")


def _read_analyzed(path: str) -> Analyzed:
    if Path(path).exists():
        return Analyzed.read(_content(path), path)
    events.warn(f'No analyzed metadata found at path "{path}"')
    return Analyzed()


def _read_system(path: str) -> System:
    return System.read(_content(path), path) if Path(path).exists() else System()


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise InvalidFile(f"{path}: {exc.strerror}") from exc
