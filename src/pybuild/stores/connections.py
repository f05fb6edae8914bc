"""Connections of urllib3: kept for the next request, through a proxy where the environment names one, TLS set up once.

Retries, redirects, cookies and .netrc are their users' to decide: here is none of them.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pybuild.stores.exchange import Patience
    from pybuild.stores.trust import Trust

_MOST = 8  # to one host


@dataclass(slots=True)
class Connections:
    """Those to one registry, and to where it sends us. May be used by several threads."""

    _managers: dict[tuple[str, Trust | None], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        trust: Trust,
        patience: Patience,
    ) -> Any:
        """The `urllib3.BaseHTTPResponse` to one request, its body unread. Raises errors of urllib3, ssl and the system."""
        import urllib3

        return self._manager(_proxy_for(url), trust if url.startswith("https:") else None).urlopen(
            method,
            url,
            headers=headers,
            body=body,
            timeout=urllib3.Timeout(connect=patience.connect, read=patience.idle),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """End all of them that nobody reads from."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    def _manager(self, proxy: str, trust: Trust | None) -> Any:
        with self._lock:
            manager = self._managers.get((proxy, trust))
            if manager is None:
                manager = self._managers[proxy, trust] = _made(proxy, trust)
            return manager


def speaks_tls(host: str, seconds: float) -> bool:
    """Whether `host` (`name[:port]`) does, as a handshake shows that looks at no certificate and is all that is sent.

    For registries of this machine: most have no TLS, and to read the authorities in order to learn that takes 30 ms.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(f"//{host}")
    try:
        with (
            socket.create_connection(
                (parts.hostname or "", parts.port or 443), timeout=seconds
            ) as connection,
            context.wrap_socket(connection, server_hostname=parts.hostname),
        ):
            return True
    except OSError:
        return False


def _made(proxy: str, trust: Trust | None) -> Any:
    import urllib3

    if trust and not trust.checked:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    # One for all connections: to read a system's authorities takes 30 ms.
    context = trust.context() if trust else None
    options: dict[str, Any] = {"num_pools": _MOST, "maxsize": _MOST, "ssl_context": context}
    if not proxy:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    headers = urllib3.make_headers(proxy_basic_auth=login)
    return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=context, **options)


def _proxy_for(url: str) -> str:
    """The proxy that this process's environment names for `url`; "" for none."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from requests.utils import get_environ_proxies, select_proxy  # they know what may stand in NO_PROXY

    proxy = select_proxy(url, get_environ_proxies(url))
    return "" if not proxy else proxy if "://" in proxy else f"http://{proxy}"
