"""What a build needs of this machine, looked at piece by piece: what was found, whether it will do, what to try."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pybuild import __version__, engine
from pybuild.errors import PybuildError
from pybuild.events import redact
from pybuild.platform import certificates
from pybuild.platform.builders import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

Status = Literal["ok", "warn", "fail"]

_GIB = 1 << 30
DISK_NEEDED = _GIB // 2
"""Below this many free bytes a build is bound to fail."""
DISK_WANTED = 4 * _GIB
_TESTED_API = (1, 40)  # Docker 19.03, the oldest engine with all that a build asks for
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `found`: in words; `hint`: what to do about a warning or failure."""

    name: str
    status: Status
    found: str
    hint: str = ""


def examine(environ: Mapping[str, str], state: Path) -> tuple[Check, ...]:
    """All checks, in the order in which a build meets what they are about. Never raises `PybuildError`.

    `state`: the folder in which builds remember their caches. A build can work if no check failed.
    """
    checks = [_versions(), _temporary(), _state(state)]
    checks += [_certificates(environ), *_proxies(environ)]
    try:
        client = engine.connect(environ)
    except PybuildError as exc:
        return (*checks, Check(name="engine", status="fail", found=str(exc), hint=exc.hint))
    with client:
        asked = (
            ("engine", lambda: _engine(client, environ)),
            ("engine's disk", lambda: _engine_disk(client)),
            ("builder", lambda: _builder(client, environ)),
            ("run image", lambda: _run_image(client, environ)),
        )
        return (*checks, *(_guarded(name, ask) for name, ask in asked))


def _guarded(name: str, ask: Callable[[], Check]) -> Check:
    try:
        return ask()
    except PybuildError as exc:
        return Check(name=name, status="fail", found=str(exc), hint=exc.hint)


def _versions() -> Check:
    try:
        sdk = version("docker")
    except PackageNotFoundError:
        sdk = "unknown"
    found = (
        f"pybuild {__version__}, Python {platform.python_version()}, Docker SDK {sdk}, {platform.system()}"
    )
    return Check(name="versions", status="ok", found=f"{found} {platform.release()} {platform.machine()}")


def _temporary() -> Check:
    import tempfile

    return _disk(
        "disk here", Path(tempfile.gettempdir()), hint="free some space, or set TMPDIR to another disk"
    )


def _disk(name: str, path: Path, *, hint: str) -> Check:
    try:
        free = shutil.disk_usage(path).free
    except OSError as exc:
        return Check(name=name, status="warn", found=f"{path} cannot be looked at: {exc.strerror}", hint=hint)
    status: Status = "fail" if free < DISK_NEEDED else "warn" if free < DISK_WANTED else "ok"
    found = f"{free / _GIB:.1f} GiB free in {path}"
    return Check(name=name, status=status, found=found, hint="" if status == "ok" else hint)


def _state(state: Path) -> Check:
    """Builds work without it, but then remember no cache."""
    nearest = next((path for path in (state, *state.parents) if path.exists()), Path("/"))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Check(name="state folder", status="ok", found=str(state))
    return Check(
        name="state folder",
        status="warn",
        found=f"{nearest} cannot be written, so builds will not remember their caches",
        hint="set XDG_STATE_HOME to a folder that you may write",
    )


def _certificates(environ: Mapping[str, str]) -> Check:
    try:
        found = certificates.host_certificates(environ)
    except PybuildError as exc:
        return Check(
            name="certificates",
            status="fail",
            found=str(exc),
            hint=exc.hint or "set PYBUILD_CA_CERTS to files that hold certificates, or unset it",
        )
    text = f"{len(found)} CA certificate{'' if len(found) == 1 else 's'} of this machine trusted in builds"
    return Check(name="certificates", status="ok", found=text if found else "no extra ones on this machine")


def _proxies(environ: Mapping[str, str]) -> list[Check]:
    named = [name for name in environ if name.lower() in _PROXIES and environ[name]]
    shown = ", ".join(f"{name}={_without_user(environ[name])}" for name in sorted(named))
    return [Check(name="proxy", status="ok", found=f"builds use {shown}")] if named else []


def _without_user(url: str) -> str:
    scheme, _, rest = url.rpartition("://")
    host = rest.rpartition("@")[2]
    return redact(f"{scheme}://{host}" if scheme else host)


def _engine(client: docker.APIClient, environ: Mapping[str, str]) -> Check:
    with engine.translating("asking for its version"):
        about: dict[str, Any] = client.info()
    host = engine.find_endpoint(environ).host
    found = (
        f"{about.get('Name') or 'Docker'} {about.get('ServerVersion', '')} at {host}, API {client.api_version},"
        f" storage {about.get('Driver', 'unknown')}, {about.get('OSType')}/{about.get('Architecture')}"
    )
    if about.get("OSType") != "linux":
        return Check(name="engine", status="fail", found=found, hint="switch the engine to Linux containers")
    if _version(client.api_version) < _TESTED_API:
        return Check(name="engine", status="warn", found=found, hint="use Docker 19.03 or newer")
    return Check(name="engine", status="ok", found=found)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _engine_disk(client: docker.APIClient) -> Check:
    with engine.translating("asking for its folder"):
        root = Path(str(client.info().get("DockerRootDir", "")))
    local = str(getattr(client, "base_url", "")).startswith("http+docker://") and root.is_dir()
    if not local:
        return Check(name="engine's disk", status="ok", found=f"not visible from here ({root})")
    return _disk("engine's disk", root, hint="free some space on it: docker system df; docker image prune")


def _builder(client: docker.APIClient, environ: Mapping[str, str]) -> Check:
    found = bootstrap.look_up(client, environ=environ)
    if found.due:
        return Check(
            name="builder",
            status="ok" if found.image else "warn",
            found=f"{found.name}: the next build makes it, because {found.due}",
            hint="pybuild doctor --prepare makes it now",
        )
    assert found.image is not None
    text = f"{found.name} ({found.image.id[7:19]}), Debian packages of {found.released}"
    return Check(name="builder", status="ok", found=text)


def _run_image(client: docker.APIClient, environ: Mapping[str, str]) -> Check:
    found = bootstrap.look_up(client, environ=environ)
    if found.run_image is None:
        return Check(
            name="run image",
            status="warn",
            found=f"{found.run_name} is made together with the builder",
            hint="pybuild doctor --prepare makes it now",
        )
    return Check(name="run image", status="ok", found=f"{found.run_name} ({found.run_image.id[7:19]})")
