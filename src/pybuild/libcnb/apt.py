"""apt without root and without touching the system: its state in a cache layer, answers for the run image.

Packages are resolved against what the RUN image has installed, not the build image: a library that only the build
image has would be missing when the app starts. Sources, keys and pins are the build image's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import command, fetch, output
from pybuild.libcnb.answers import Answers
from pybuild.libcnb.dpkg import Deb, essential, installed, stand_in
from pybuild.libcnb.layers import Types, write_file
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.libcnb.context import BuildContext, Target

RUN_STATUS = Path("/cnb/run-image/dpkg-status")
OWN_STATUS = Path("/var/lib/dpkg/status")
SHARED_LISTS = "PYBUILD_APT_LISTS"
OFFLINE = "BP_APT_OFFLINE"

# Only maintainer scripts, which are not run, want these: without them PHP needs 39 packages instead of 85.
STAND_INS = ("systemd", "procps", "psmisc", "iproute2", "ucf", "sensible-utils")

_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+\.deb) (?P<size>\d+)", re.MULTILINE)
_GONE = re.compile(r"Version '\S+' for '\S+' was not found")
_SIGNATURE = re.compile(
    r"NO_PUBKEY|EXPKEYSIG|BADSIG|is not signed|not (?:be )?verified|Sub-process .*gpgv", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """apt with its package lists read: ask it, then download.

    `environ` makes any apt tool use this state. `known`: a digest of the lists and preferences. `wanted`: files in
    the archive folder that this build has a use for. `offline`: the user has said that there is no network.
    """

    environ: Mapping[str, str]
    archives: Path
    status: Path
    answers: Answers
    known: bytes
    wanted: set[str]
    offline: bool = False

    def pretend(self, stanzas: str) -> None:
        """Take packages for installed from now on, by their stanzas, because another layer provides them."""
        with self.status.open("a", errors="surrogateescape") as file:
            file.write(stanzas)

    def resolve(self, packages: Sequence[str]) -> tuple[Deb, ...]:
        """The packages the run image lacks for these, dependencies included, newest versions, sorted."""
        # apt leaves out what its archive folder has already; an empty one makes it list everything.
        none = f"Dir::Cache::archives={self.status.parent}/none"
        words = ("apt-get", "install", "-y", "-qq", "--print-uris", *packages)
        try:
            text = self._ask(words, "-o", none)
        except command.ToolFailed as exc:
            raise command.explained(
                exc,
                "These packages cannot be installed together",
                steps=(
                    "Look at the names and versions above; `apt-cache policy NAME` in the build image shows what exists.",
                ),
            ) from exc
        debs = sorted(Deb.from_file_name(found["file"]) for found in _URI.finditer(text))
        self.wanted.update(deb.file_name for deb in debs)
        return tuple(debs)

    def names(self, prefix: str) -> tuple[str, ...]:
        """The names of all known packages that begin with `prefix`."""
        return tuple(sorted(self._ask(("apt-cache", "pkgnames", prefix)).split()))

    def versions(self, package: str) -> tuple[str, ...]:
        """The versions of a package that can be had, newest first; none when it is unknown."""
        rows = (line.split("|") for line in self._ask(("apt-cache", "madison", package)).splitlines())
        return tuple(dict.fromkeys(row[1].strip() for row in rows if len(row) > 2))

    def download(self, debs: Sequence[Deb]) -> tuple[Path, ...]:
        """The files of these packages, fetched where missing, signature and checksum verified by apt."""
        # Unlike `install --download-only` it need not find out again what depends on what.
        words = ["apt-get", "download", "-qq", *(deb.choice for deb in debs)]
        try:
            command.read(words, environ=self.environ, cwd=self.archives, timeout=3600)
        except command.ToolFailed as exc:
            if _GONE.search(exc.output):
                raise command.explained(
                    exc,
                    "The package sources have other versions now",
                    steps=(
                        "Build without --locked (or without BP_LOCKED) to take those they have.",
                        "To keep old versions, give the builder a source that does, such as a snapshot of the archive.",
                    ),
                ) from exc
            raise _unreachable(exc, "The packages could not be downloaded", offline=self.offline) from exc
        return tuple(self.archives / deb.file_name for deb in debs)

    def _ask(self, words: Sequence[str], *unimportant: str) -> str:
        question = (self.known, self.status.read_bytes(), *(word.encode() for word in words))
        return self.answers.get(question, lambda: command.read([*words, *unimportant], environ=self.environ))


@contextlib.contextmanager
def opened(
    context: BuildContext,
    *,
    run_status: Path = RUN_STATUS,
    stand_ins: Sequence[str] = STAND_INS,
    refresh: bool = True,
) -> Iterator[Apt]:
    """apt for this build, lists up to date; what is asked later is remembered in a folder that ends with the block.

    The first buildpack of a build that uses apt refreshes the lists; later ones find them through a build variable.
    `refresh`: False where this buildpack has opened it before in this build.
    """
    check_release(context.target, _os_release(), has_apt=shutil.which("apt-get") is not None)
    shared = context.setting(SHARED_LISTS)
    layer = context.layers.tool_cache("apt", types=Types(build=not shared, cache=True))
    lists = Path(shared) if shared else layer.path / "lists"
    archives = layer.path / "archives"
    for folder in (lists / "partial", archives / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    offline = context.flag(OFFLINE) or context.flag(fetch.OFFLINE)
    with tempfile.TemporaryDirectory(prefix="apt-") as scratch:
        environ = _configure(Path(scratch), lists, archives, context.environ)
        (Path(scratch) / "none/partial").mkdir(parents=True)
        status = Path(scratch) / "status"
        status.write_text(_status(run_status, stand_ins), errors="surrogateescape")
        if not shared:
            # Locked versions are in the lists of the build that chose them.
            if refresh and not (context.resolved.locked and _known(lists)):
                fresh = Path(scratch) / "fresh"
                shutil.copytree(lists, fresh)
                update = {**environ, "APT_CONFIG": _with_lists(environ["APT_CONFIG"], lists, fresh)}
                if _refresh(update, fresh, offline=offline):
                    _replace(lists, fresh)
            layer.env(SHARED_LISTS, str(lists), scope="build")
        # One file for each status: two that take turns would forget each other's.
        answers, wanted = Answers(layer.path / f"answers-{run_status.name}.json"), set[str]()
        yield Apt(
            environ=environ,
            archives=archives,
            status=status,
            answers=answers,
            known=_fingerprint(lists),
            wanted=wanted,
            offline=offline,
        )
        answers.save()
    write_file(layer.path / f"wanted-{run_status.name}", "".join(f"{name}\n" for name in sorted(wanted)))
    # What one status has no use for another may have.
    used = {name for file in layer.path.glob("wanted-*") for name in file.read_text().splitlines()}
    for file in archives.glob("*.deb"):
        if file.name not in used:
            file.unlink()


def _configure(scratch: Path, lists: Path, archives: Path, environ: Mapping[str, str]) -> dict[str, str]:
    options = {
        "Dir::State": scratch,
        "Dir::State::lists": lists,
        "Dir::State::status": scratch / "status",
        "Dir::State::extended_states": scratch / "extended_states",
        "Dir::Cache": scratch,
        "Dir::Cache::archives": archives,
        "Dir::Log": scratch,
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "0",
        "APT::Install-Suggests": "0",
        "APT::Keep-Downloaded-Packages": "1",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "true",
        "Acquire::Retries": "3",
        # Without this an unreachable mirror leaves old lists in use, and says nothing.
        "APT::Update::Error-Mode": "any",
    }
    if authorities := environ.get("SSL_CERT_FILE"):
        options["Acquire::https::CaInfo"] = authorities
    conf = scratch / "apt.conf"
    conf.write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
    return {"APT_CONFIG": str(conf), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def _status(run_status: Path, stand_ins: Sequence[str]) -> str:
    if run_status.is_file():
        text = run_status.read_text(errors="surrogateescape")
    else:
        # A builder that is not ours does not say what its run image has. The smallest of the release is a safe guess:
        # what the run image has beyond that is in the layer once more.
        text = essential(OWN_STATUS.read_text(errors="surrogateescape"))
    text = text.rstrip("\n") + "\n\n"
    arch = command.read(["dpkg", "--print-architecture"]).strip()
    there = installed(text)
    return text + "".join(stand_in(name, arch) for name in stand_ins if name not in there)


def _fingerprint(lists: Path, preferences: Path = Path("/etc/apt")) -> bytes:
    """A digest of what decides apt's answers: release files hold the digests of all others."""
    digest = hashlib.sha256()
    for file in sorted(lists.iterdir()):
        if file.is_file():
            digest.update(f"{file.name} {file.stat().st_size}\n".encode(errors="surrogateescape"))
            digest.update(file.read_bytes() if file.name.endswith("Release") else b"")
    for file in sorted([*preferences.glob("preferences"), *preferences.glob("preferences.d/*")]):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.digest()


def check_release(target: Target, build_image: Mapping[str, str], *, has_apt: bool) -> None:
    """Whether packages of the build image's release can run on `target`. Raises a `Problem`."""
    name, version = build_image.get("ID", ""), build_image.get("VERSION_ID", "")
    if not has_apt:
        raise Problem(
            "The build image has no apt",
            f"It is {build_image.get('PRETTY_NAME', name) or 'of no known distribution'}, and this buildpack installs "
            "packages of Debian or Ubuntu.",
            steps=("Use a builder of Debian or Ubuntu, such as the default one.",),
        )
    # 12 and 12.5 are one release of Debian; 24.04 and 24.10 are two of Ubuntu.
    parts = zip(target.distro_version.split("."), version.split("."), strict=False)
    other = target.distro != name or any(asked and here and asked != here for asked, here in parts)
    if target.distro and name and other:
        raise Problem(
            "The build image and the run image are different releases",
            f"The run image is {target.distro} {target.distro_version}, but packages for "
            f"{name} {version} would be installed: they need its libraries.",
            steps=("Use a builder whose build and run images are the same release.",),
        )


def _os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value.strip("\"'") for name, _, value in pairs}


def _replace(lists: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `lists`: whole, or not at all."""
    new = lists.with_name("new-lists")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(fresh, new)
    shutil.rmtree(lists)
    new.rename(lists)


def _with_lists(conf: str, lists: Path, fresh: Path) -> str:
    """A configuration like `conf` for other lists: a refresh that fails must leave those of the last build as they were."""
    other = fresh.with_suffix(".conf")
    other.write_text(Path(conf).read_text().replace(f'"{lists}"', f'"{fresh}"'))
    return str(other)


def _refresh(environ: Mapping[str, str], lists: Path, *, offline: bool) -> bool:
    """Whether the lists are new ones; else those of an earlier build will do. Raises a `Problem`."""
    will_do = offline and _known(lists)
    retries = ["-o", "Acquire::Retries=0"] if will_do else []
    done = command.capture(["apt-get", "update", "-qq", *retries], environ=environ, timeout=900)
    if not done.code:
        return True
    failure = command.ToolFailed(f"apt-get update ended with status {done.code}", output=done.stderr.strip())
    if _SIGNATURE.search(done.stderr):
        raise command.explained(
            failure,
            "A package source is not signed by a key that the build image trusts",
            steps=(
                "If the source is yours, add its key to the builder's /etc/apt and name it with Signed-By.",
                "If it is Debian's, someone may be tampering with the connection: use another network or mirror.",
            ),
        )
    if not will_do:
        raise _unreachable(failure, "The package lists could not be read", offline=offline)
    output.warning(
        "The package sources cannot be reached, so newer versions cannot be looked up: the lists of an earlier build are used."
    )
    return False


def _known(lists: Path) -> bool:
    return any(lists.glob("*Packages*"))


def _unreachable(failure: command.ToolFailed, heading: str, *, offline: bool) -> Problem:
    lines = [line for line in failure.output.splitlines() if line.startswith(("E:", "W:"))]
    more = [f"… and {len(lines) - 4} more lines like these"] if len(lines) > 5 else []
    kept = f"To build with the package lists of an earlier build, set {OFFLINE}=ok."
    if offline:
        kept = "No earlier build has kept them: build once with a network, and without --clear-cache."
    said = "\n".join([*lines[: 4 if more else 5], *more]) or failure.output
    return command.explained(
        command.ToolFailed(str(failure), output=said),
        heading,
        steps=(
            "Check that the build can reach the hosts above; set http_proxy and https_proxy if it needs a proxy.",
            "Use a mirror inside your network: put it in the builder's /etc/apt/sources.list.d.",
            kept,
        ),
    )
