"""Which files make a builder's containers trust this machine's CA certificates, remembered from the build before.

To learn it, the container's own bundles are read, which has to wait until it runs; and the files are root's, so the
engine has to unpack them. What was learnt is kept here, and mounted read-only into the next containers of the same
builder, for as long as the certificates of this machine are the same. docs/adr/0016-a-small-builds-time.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.events import detail
from pybuild.platform.caches import state_folder
from pybuild.stores.state import read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pybuild.platform.certificates import Delivery

_FORMAT = b"1"
_MOST = 8
_SELINUX = Path("/sys/fs/selinux/enforce")
_BUNDLE, _BINDING, _PATHS = "bundle.crt", "binding", "paths"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTrust:
    """`delivery`: as `certificates.deliver` made it. `mounts`: file or folder of this machine, by path in the container."""

    delivery: Delivery
    mounts: Mapping[str, Path] = field(default_factory=dict)


def trust_folder() -> Path:
    """Where it is kept, beside what is remembered of caches."""
    return state_folder() / "trust"


def trust_key(builder: str, environ: Mapping[str, str]) -> str:
    """What the answer depends on: the builder image's ID, and each byte of the certificates that this machine has."""
    from pybuild.platform.certificates import MAX_BUNDLE, host_files

    digest = hashlib.sha256(_FORMAT + builder.encode())
    for path in host_files(environ):
        digest.update(os.fsencode(path))
        # What is no regular file, or too large, is told of when it is read for its certificates.
        digest.update(hashlib.sha256(read_state(path.resolve(), limit=MAX_BUNDLE) or b"").digest())
    return digest.hexdigest()[:32]


def known_trust(key: str, state: Path) -> KnownTrust | None:
    """What was remembered under the key; None for nothing."""
    from pybuild.platform.certificates import BINDING_DIR, Delivery, delivered_environ

    folder = state / key
    try:
        paths = (folder / _PATHS).read_text().splitlines()
        if not paths:
            return KnownTrust(delivery=Delivery(files={}, environ={}))
        files = dict.fromkeys(paths, (folder / _BUNDLE).read_bytes())
        for each in sorted((folder / _BINDING).iterdir()):
            files[f"{BINDING_DIR}/{each.name}"] = each.read_bytes()
    except (OSError, UnicodeDecodeError):
        return None
    with suppress(OSError):
        os.utime(folder)
    mounts = dict.fromkeys(paths, folder / _BUNDLE) | {BINDING_DIR: folder / _BINDING}
    if _SELINUX.exists():
        # Containers may read only what carries a label for them, which is not ours to put on files.
        mounts = {}
    return KnownTrust(delivery=Delivery(files=files, environ=delivered_environ()), mounts=mounts)


def remember_trust(key: str, delivery: Delivery, state: Path) -> None:
    """Keep it for the next build. Where that is impossible, that one only takes longer."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        _forget_oldest(state)
        with tempfile.TemporaryDirectory(dir=state, prefix=".new-") as scratch:
            made = Path(scratch, key)
            _write(made, delivery)
            # Two builds may find out the same at once: then the first one's stays.
            with suppress(FileExistsError):
                made.rename(state / key)
    except OSError as exc:
        detail(f"cannot remember which certificates the builder needs: {exc}")


def _write(made: Path, delivery: Delivery) -> None:
    from pybuild.platform.certificates import BINDING_DIR

    (made / _BINDING).mkdir(parents=True)
    paths = []
    for path, content in delivery.files.items():
        folder, _, name = path.rpartition("/")
        if folder != BINDING_DIR:
            paths.append(path)
        file = made / _BINDING / name if folder == BINDING_DIR else made / _BUNDLE
        if not file.exists():
            write_state(file, content)
    write_state(made / _PATHS, "".join(f"{path}\n" for path in paths).encode())
    for each in made.rglob("*"):
        # The user of the container reads them, whatever our umask is; the folder above is closed to others.
        each.chmod(0o755 if each.is_dir() else 0o644)


def _forget_oldest(state: Path) -> None:
    """Builders come and go. What a container has mounted stays readable there."""
    for each in sorted(_by_age(state), reverse=True)[_MOST - 1 :]:
        shutil.rmtree(each[1], ignore_errors=True)


def _by_age(state: Path) -> Iterator[tuple[float, Path]]:
    for each in state.iterdir():
        with suppress(OSError):
            yield each.stat().st_mtime, each
