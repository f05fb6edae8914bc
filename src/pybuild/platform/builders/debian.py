"""A Debian root file system as a local image: pulled where a registry answers at once, else bootstrapped.

Bootstrapping is mmdebstrap's work: it checks the archive's signatures with this machine's Debian keyring. The
mirrors and proxies of this machine's apt are used where they name Debian; the image keeps none of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild import engine
from pybuild.errors import BuilderUnusable, PybuildError
from pybuild.events import Progress, detail, emit, info
from pybuild.oci.reference import Reference
from pybuild.platform.pull import pull
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

    from pybuild.platform.builders.recipe import Recipe

REGISTRY_SECONDS = 3
_STEPS = (
    "apt-get update",
    "downloading",
    "extracting",
    "essential",
    "remaining",
    "cleaning",
    "tarball",
    "done",
)
_BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where packages come from on this machine. `sources`: lines of sources.list; `proxies`: scheme → URL."""

    sources: tuple[str, ...]
    proxies: Mapping[str, str]


def archive_here(recipe: Recipe, environ: Mapping[str, str]) -> Archive:
    """The mirrors and proxies to use: of this machine's apt where they serve the recipe's suites, else the defaults."""
    return Archive(sources=_mirrors(recipe) or recipe.sources, proxies=_proxies(environ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """An image with Debian's root file system. `temporary`: made for this use only, to be removed after it."""

    image: str
    temporary: bool


def root_image(
    client: docker.APIClient, recipe: Recipe, archive: Archive, *, choice: str, epoch: int
) -> Root:
    """Debian's root file system as an image of the engine's.

    `choice`: "" to pull if a registry answers and else bootstrap, "bootstrap", or the name of an image.
    `epoch`: newest time stamp of any file, in seconds. Raises `BuilderUnusable`.
    """
    if choice == _BOOTSTRAP or (not choice and not _registry_answers(client, recipe.image)):
        return Root(image=_bootstrapped(client, recipe, archive, epoch), temporary=True)
    image = choice or recipe.image
    if choice and (present := DaemonStore(client).find(Reference.parse(choice))):
        return Root(image=present.id, temporary=False)
    return Root(image=pull(client, Reference.parse(image)).id, temporary=False)


def _registry_answers(client: Any, image: str) -> bool:
    """Whether the engine reaches the image's registry within `REGISTRY_SECONDS`; a quick no is worth a lot here."""
    before, client.timeout = client.timeout, REGISTRY_SECONDS
    try:
        with engine.translating(f"looking for {image}"):
            client.inspect_distribution(image)
    except PybuildError as exc:
        detail(f"{image} cannot be pulled ({exc}); bootstrapping from Debian's archive instead")
        return False
    finally:
        client.timeout = before
    return True


def _bootstrapped(client: docker.APIClient, recipe: Recipe, archive: Archive, epoch: int) -> str:
    if shutil.which("mmdebstrap") is None:
        raise BuilderUnusable(
            f"no registry with {recipe.image} answers, and mmdebstrap, which makes it, is not installed",
            hint="sudo apt-get install mmdebstrap uidmap",
        )
    info(
        f"Bootstrapping Debian {recipe.version} ({recipe.suite}) from its signed archive; this takes half a minute"
    )
    with scratch_folder() as scratch:
        path = scratch / "base.tar"
        with path.open("wb") as tarball:
            _run_mmdebstrap(recipe, archive, epoch, tarball.fileno())
        with engine.translating("importing the base image"):
            answer = str(client.import_image_from_file(str(path)))
    found = re.search(r"sha256:[0-9a-f]{64}", answer)
    if found is None:
        raise BuilderUnusable(f"the Docker Engine did not take the bootstrapped base: {answer[:300]}")
    return found[0]


def _run_mmdebstrap(recipe: Recipe, archive: Archive, epoch: int, output: int) -> None:
    environ = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(epoch),
        **{f"{scheme}_proxy": url for scheme, url in archive.proxies.items()},
    }
    process = subprocess.Popen(
        mmdebstrap(recipe, archive),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        env=environ,
    )
    said: deque[str] = deque(maxlen=200)
    done = 0
    try:
        for line in process.stderr or ():
            said.append(line.decode("utf-8", "backslashreplace").rstrip())
            detail(said[-1])
            if done < len(_STEPS) and said[-1].startswith("I: ") and _STEPS[done] in said[-1]:
                done += 1
                emit(Progress(label="Bootstrapping Debian", done=done, total=len(_STEPS), unit="steps"))
    finally:
        # Its own signal handler unmounts what it mounted, so it is asked to end and not killed.
        process.terminate()
        status = process.wait()
        if process.stderr:
            process.stderr.close()
        emit(Progress(label="Bootstrapping Debian", done=-1))
    if status != 0:
        errors = [line for line in said if line.startswith("E: ")] or list(said)[-3:]
        raise BuilderUnusable(
            f"mmdebstrap could not bootstrap Debian {recipe.version}: {' '.join(errors)[:500]}",
            hint="sudo apt-get install mmdebstrap uidmap debian-archive-keyring; then pybuild -v shows what it says",
        )


def mmdebstrap(recipe: Recipe, archive: Archive) -> list[str]:
    """The command. Variant `apt`: essential packages and apt, which the following stages install with."""
    hooks = next(iter(Path("/usr/share/mmdebstrap/hooks").glob("merged-usr")), None)
    return [
        "mmdebstrap",
        "--variant=apt",
        "--include=usr-is-merged",
        *([f"--hook-dir={hooks}"] if hooks else []),
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.leave_out),
        *(f"--dpkgopt=path-include={pattern}" for pattern in recipe.keep),
        '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
        "--format=tar",
        recipe.suite,
        "-",
        *archive.sources,
    ]


def _mirrors(recipe: Recipe) -> tuple[str, ...]:
    """sources.list lines of this machine's apt for the recipe's suites; () unless they cover all of them.

    apt itself is asked, so both formats of its configuration are understood. It knows only what it has fetched.
    """
    asked = ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)"]
    wanted = {line.split()[2] for line in recipe.sources}
    found: dict[str, str] = {}
    for line in _answer(asked).splitlines():
        kind, uri, suite, component = (*line.split(), "", "", "", "")[:4]
        if kind == "Packages" and suite in wanted and component == "main" and re.match(r"https?://", uri):
            found.setdefault(suite, f"deb {uri.rstrip('/')} {suite} main")
    return tuple(found[suite] for suite in sorted(wanted)) if found.keys() == wanted else ()


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Proxy URLs by scheme: of this machine's apt, else of the variables."""
    proxies: dict[str, str] = {}
    for scheme in ("http", "https"):
        said = re.search(r'"([^"]+)"', _answer(["apt-config", "dump", f"Acquire::{scheme}::Proxy"]))
        value = (
            said[1]
            if said
            else environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY") or ""
        )
        if value and value != "DIRECT":
            proxies[scheme] = value
    return proxies


def _answer(argv: list[str]) -> str:
    """What a program prints; "" where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
