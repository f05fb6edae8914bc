"""One HTTP request and its answer: everything bounded, counted, and within its time; what goes wrong in our words.

Specification: RFC 9110. Promises: reliability G2, G3, G8; F-09, F-12, S-41, S-43.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pybuild import gojson
from pybuild.errors import InvalidFile, PybuildError, RegistryError, TimedOut, causes
from pybuild.events import detail, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_ERROR = 64 << 10
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds, and how often to try. `least_rate`: bytes in a second below which we give up."""

    connect: float = 20
    idle: float = 60
    total: float = 180
    tries: int = 5
    pause: float = 0.5
    longest_pause: float = 60
    least_rate: int = 16 << 10

    def for_size(self, size: int) -> float:
        """Longest time for something of `size` bytes."""
        return self.total + size / self.least_rate


class Broken(RegistryError):
    """It broke off, or the registry cannot just now: another try may succeed. `after`: seconds it wants us to wait."""

    def __init__(self, message: str, *, hint: str = "", after: float = 0) -> None:
        super().__init__(message, hint=hint)
        self.after = after

    def final(self) -> RegistryError:
        """The same after the last try: nobody tries again what has been tried."""
        return RegistryError(str(self), hint=self.hint)


class Passing(Broken):
    """The registry answered that it cannot just now."""


class TookTooLong(RegistryError, TimedOut):
    """A registry did not answer in time."""

    exit_code = TimedOut.exit_code


class Stalled(Broken):
    """Nothing came for too long."""

    def final(self) -> RegistryError:
        """See `Broken.final`."""
        return TookTooLong(str(self), hint=self.hint)


@dataclass(slots=True)
class Tries:
    """The tries of one piece of work: pauses that grow and are never the same for two."""

    patience: Patience
    stop: threading.Event
    made: int = 0

    def again(self, fault: Broken) -> None:
        """Wait for the next try, or raise `fault` if there was the last one."""
        self.made += 1
        if self.made >= self.patience.tries:
            raise fault.final() from fault
        grown = self.patience.pause * 2 ** (self.made - 1)
        pause = min(max(fault.after, grown * random.uniform(0.5, 1)), self.patience.longest_pause)
        detail(f"{fault}; trying again in {pause:.1f} s")
        if self.stop.wait(pause):
            raise fault.final() from fault

    def progressed(self) -> None:
        """Something was achieved: faults from now on count anew."""
        self.made = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said. `headers`: names in lower case. `url`: where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Content:
    """A body that can be sent more than once: `size` bytes in chunks, from the start at every `open`.

    `left` set: nobody waits any more, and nothing more may be sent.
    """

    def __init__(
        self,
        size: int,
        open: Callable[[], Iterator[bytes]],  # noqa: A002
        left: threading.Event | None = None,
    ) -> None:
        self._size, self._open, self._left = size, open, left

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._open():
            if self._left is not None and self._left.is_set():
                raise Broken("given up")
            yield piece

    def until(self, left: threading.Event) -> Content:
        """The same body, which ends with an error once `left` is set."""
        return Content(self._size, self._open, left)


class Refused(RegistryError):
    """The registry does not do what it was asked for, and will not at another try."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NoTls(Broken):
    """What answers there does not speak TLS."""


class Found:
    """An answer whose body is still to be read: bounded, counted against its length, within its time."""

    def __init__(self, response: Any, method: str, url: str, what: str, patience: Patience) -> None:
        self._response, self._method, self._what, self._patience = response, method, what, patience
        self.url = url
        self.status: int = response.status
        # Lines of one name become one.
        self.headers: dict[str, str] = {name.lower(): response.headers[name] for name in response.headers}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the connection; one with an unread body is not used again."""
        self._response.close()
        self._response.release_conn()

    @property
    def length(self) -> int | None:
        """`Content-Length`, None when there is none."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and len(text) < 19 else None

    def whole(self, limit: int) -> Answer:
        """The complete answer."""
        body = b"".join(self.pieces(limit))
        return Answer(status=self.status, headers=self.headers, body=body, url=self.url)

    def pieces(self, limit: int) -> Iterator[bytes]:
        """The body. Raises `Broken` if it ends too soon and `RegistryError` if it is longer than `limit` bytes."""
        import urllib3

        expected = None if self._method == "HEAD" else self.length
        if expected is not None and expected > limit:
            raise self._too_large(limit)
        until = time.monotonic() + self._patience.for_size(min(limit, expected or limit))
        got = 0
        try:
            while piece := self._response.read1(_PIECE, decode_content=False):
                got += len(piece)
                if got > limit:
                    raise self._too_large(limit)
                if time.monotonic() > until:
                    raise Stalled(f"the answer to {self._what} comes too slowly")
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise translated(exc, self.url, self._what) from exc
        if expected is not None and got != expected:
            raise Broken(f"the answer to {self._what} ended after {got} of {expected} bytes")

    def complaint(self) -> str:
        """What the registry says went wrong, in one line; "" when it says nothing that can be read."""
        try:
            errors = gojson.loads(self.whole(_MAX_ERROR).body or b"{}", where="answer")["errors"]
            said = "; ".join(f"{error['code']}: {error['message']}" for error in errors)
        except (InvalidFile, RegistryError, KeyError, TypeError):
            return ""
        return redact(" ".join(said.split()))[:500]

    def _too_large(self, limit: int) -> RegistryError:
        size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit} bytes"
        kind = "manifest" if "/manifests/" in self._what else "answer"
        return RegistryError(f"{kind} larger than {size}: {self._what}")


def in_time(work: Callable[[], Any], seconds: float, what: str, left: threading.Event) -> Any:
    """What `work` returns or raises. In a thread of its own: a server that trickles bytes, or a signal, finds us waiting here.

    `left` is set when it is not waited for any more.
    """
    done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - it is raised where it belongs
            done.put((None, exc))
            return
        done.put((result, None))
        if left.is_set():
            result.close()

    threading.Thread(target=run, name="pybuild-http", daemon=True).start()
    try:
        result, failure = done.get(timeout=seconds)
    except queue.Empty:
        left.set()
        raise Stalled(f"{what} took longer than {seconds:.0f} seconds") from None
    except BaseException:
        left.set()
        raise
    if failure is not None:
        raise failure
    return result


def translated(exc: BaseException, url: str, what: str) -> RegistryError:
    """What an error of urllib3, TLS or a socket means for `what`; `Broken` if it may pass."""
    import ssl

    import urllib3

    chain = list(causes(exc))
    host = urlsplit(url).netloc
    for cause in chain:
        if isinstance(cause, PybuildError):
            return cause if isinstance(cause, RegistryError) else RegistryError(str(cause), hint=cause.hint)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RegistryError(
                f"the certificate of {host} is not trusted: {cause.verify_message}",
                hint=f"set SSL_CERT_FILE to a file with its CA, or use --insecure-registry {host}",
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return NoTls(
                f"{host} does not speak TLS as it should: {cause.reason or cause}",
                hint=f"if it is meant to be without: --insecure-registry {host}",
            )
    last = next((c for c in reversed(chain) if isinstance(c, OSError) and c.strerror), chain[-1])
    said = (isinstance(last, OSError) and last.strerror) or " ".join(str(last).split())
    slow = (urllib3.exceptions.TimeoutError, TimeoutError)
    kind = Stalled if any(isinstance(cause, slow) for cause in chain) else Broken
    return kind(f"{what} broke off: {redact(str(said))[:200]}")


def retry_after(text: str) -> float:
    """Seconds of a Retry-After header: a number, or a date."""
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
