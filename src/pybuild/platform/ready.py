"""A build environment made ready: the builder's container with the app and all that buildpacks are given in it.

No image is saved for it: order, variables, certificates and further buildpacks are uploaded into the container,
the app in the same archive. So nothing of them is ever in an image layer.
"""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pybuild.oci import tar
from pybuild.platform import certificates
from pybuild.platform.certificates import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pybuild.buildenv.api import BuildEnv
    from pybuild.platform.app.source import Source, Upload
    from pybuild.platform.buildpacks.fetch import Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Readied:
    """`upload`: digest of the app as it was sent. `delivery`: of certificates, and the variables that they need."""

    upload: str
    delivery: Delivery


class Sending:
    """Everything on its way into the environment; what does not depend on it can be looked at meanwhile.

    `done`: it is there already.
    """

    def __init__(
        self, env: BuildEnv, files: Mapping[str, bytes], upload: Upload, delivery: Delivery, *, done: bool
    ):
        self._env = env
        self._files = files
        self._upload = upload
        self._delivery = delivery
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        if not done:
            # The engine takes 60 ms for the smallest of archives.
            self._thread = threading.Thread(target=self._send, name="upload", daemon=True)
            self._thread.start()

    def _send(self) -> None:
        try:
            self._env.unpack("/", itertools.chain(_root_owned(self._files), self._upload))
        except BaseException as exc:  # noqa: BLE001 - it is raised where the upload is waited for
            self._failure = exc

    def finish(self) -> Readied:
        """Wait until all is there; raise what went wrong."""
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        return Readied(upload=self._upload.digest, delivery=self._delivery)


def make_ready(
    env: BuildEnv,
    *,
    source: Source,
    app_dir: str,
    user_environ: Mapping[str, str],
    trusted: tuple[bytes, ...],
    fetched: Iterable[Fetched] = (),
    delivery: Delivery | None = None,
    mounted: bool = False,
) -> Sending:
    """Begin to upload everything; two round trips, one more for each further buildpack.

    `trusted`: certificates (DER) to deliver, unless there is a `delivery` already; `mounted`: its files are there.
    """
    if delivery is None:
        delivery = Delivery(files={}, environ={})
        if trusted:
            found = env.read_files(certificates.SYSTEM_BUNDLES, limit=certificates.MAX_BUNDLE)
            bundles = {path: content for path, content in found.items() if isinstance(content, bytes)}
            delivery = certificates.deliver(trusted, bundles, fallback=certificates.host_bundle())
    for module in fetched:
        env.unpack("/", module.tar())
    files = {f"/platform/env/{name}": os.fsencode(value) for name, value in user_environ.items()}
    files |= {} if mounted else delivery.files
    upload = partial(source.upload, uid=env.uid, gid=env.gid, prefix=app_dir)
    # Where root's files are to be sent anyway, the app travels with them.
    if not files and env.unpack_own("/", sent := upload(), owned=app_dir):
        return Sending(env, files, sent, delivery, done=True)
    return Sending(env, files, upload(), delivery, done=False)


def _root_owned(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Tar entries, without an end, of files that buildpacks may read and not write."""
    for path, content in files.items():
        name = os.fsencode(path.lstrip("/"))
        yield tar.header(tar.TarEntry(name, tar.FILE, 0o644, 0, 0, len(content)))
        yield content
        yield tar.padding(len(content))
