"""How a registry is spoken to: TLS with the right CAs, plainly only where allowed, tokens where they may be shown."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import RegistryError
from pybuild.stores.exchange import Broken, Content, Patience, retry_after
from pybuild.stores.keychain import Keychain
from pybuild.stores.tokens import Challenge, Tokens, may_show
from pybuild.stores.transport import Transport
from pybuild.stores.trust import Trust, trust_for
from support.pace import allowed
from support.phase import in_child
from support.registry import Registry, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HASTY = Patience(connect=2, idle=1, total=2, tries=2, pause=0.01)


def transport(registry: str, environ: dict[str, str] | None = None, **options: Any) -> Transport:
    given = {"HOME": "/nonexistent", **(environ or {})}
    return Transport(registry=registry, keychain=Keychain(given), environ=given, patience=HASTY, **options)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[Registry, Path]]:
    """A registry with a certificate of its own, and the file that has it."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
    made = subprocess.run(
        [
            "openssl",
            *words.split(),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"openssl makes no certificate: {made.stderr.decode()[:200]}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    registry = Registry()
    server = serve(registry)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield registry, certificate
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_users_own_ca_is_trusted(tls: tuple[Registry, Path], variable: str) -> None:
    registry, certificate = tls

    way = transport(registry.host, {variable: str(certificate)})

    assert way.ask("GET", "/v2/").status == 200
    assert way.origin == f"https://{registry.host}"


def test_an_unknown_ca_is_refused_unless_the_registry_is_named_insecure(tls: tuple[Registry, Path]) -> None:
    """GEN-14."""
    registry, _ = tls

    with pytest.raises(RegistryError):
        transport(registry.host).ask("GET", "/v2/")

    assert registry.seen == []
    assert transport(registry.host, insecure=True).ask("GET", "/v2/").status == 200
    assert registry.seen[0].path == "/v2/"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_spoken_to_plainly(registry: Registry, host: str) -> None:
    port = registry.host.rpartition(":")[2]

    assert transport(f"{host}:{port}").origin == f"http://{host}:{port}"


def test_nobody_else_is_spoken_to_plainly_without_being_named(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GEN-14: the same registry, under a name that is not this machine's."""
    from pybuild.stores import transport as module

    monkeypatch.setattr(module, "_is_loopback", lambda _: False)

    with pytest.raises(RegistryError) as caught:
        transport(registry.host).ask("GET", "/v2/")

    assert "--insecure-registry" in caught.value.hint
    assert all(seen.path != "/v2/" for seen in registry.seen)
    assert transport(registry.host, insecure=True).origin == f"http://{registry.host}"


def test_nobody_there_is_one_error_soon() -> None:
    start = time.monotonic()

    with pytest.raises(RegistryError, match="Connection refused"):
        transport("127.0.0.1:1").ask("GET", "/v2/")

    assert time.monotonic() - start < allowed(3)


def test_a_token_is_got_once_for_many_threads(registry: Registry) -> None:
    registry.auth = "bearer"
    way = transport(registry.host)
    way.ask("GET", "/v2/a/manifests/x", scopes=("repository:a:pull",), expect=(404,))
    threads = [
        threading.Thread(
            target=way.ask,
            args=("GET", "/v2/a/manifests/x"),
            kwargs={"scopes": ("repository:a:pull",), "expect": (404,)},
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(registry.asked("GET", "/token")) == 1
    assert "scope=repository%3Aa%3Apull" in registry.asked("GET", "/token")[0]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            'Bearer realm="https://a/token",service="s",scope="repository:a:pull,push"',
            Challenge(kind="bearer", realm="https://a/token", service="s", scope="repository:a:pull,push"),
        ),
        ('bearer Realm="https://a"', Challenge(kind="bearer", realm="https://a")),
        ('Basic realm="x"', Challenge(kind="basic", realm="x")),
        ("Basic", Challenge(kind="basic")),
        ('Digest realm="x"', None),
        ("", None),
    ],
)
def test_challenges_are_read_as_registries_write_them(header: str, found: Challenge | None) -> None:
    assert Challenge.read(header) == found


@pytest.mark.parametrize(
    ("origin", "realm", "shown"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://ghcr.io", "https://ghcr.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", True),
        ("https://registry.example.com", "https://evil.com/token", False),
        ("https://registry.example.com", "https://example.com.evil.com/token", False),
        ("http://127.0.0.1:5000", "http://127.0.0.2:5000/token", False),
        ("https://localhost", "https://com/token", False),
    ],
)
def test_a_token_server_sees_credentials_only_within_the_domain(origin: str, realm: str, shown: bool) -> None:
    """S-40."""
    assert may_show(origin, realm) is shown


def test_a_place_for_tokens_that_is_no_address_is_told() -> None:
    """Found by the fuzzer."""
    challenge = Challenge.read('Bearer realm="https://auth.example.[["')
    assert challenge is not None

    with pytest.raises(RegistryError, match="no such place"):
        Tokens("https://registry.example.com", None).refused("", challenge, (), lambda *_: b"")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("", 0), ("soon", 0), ("-1", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)]
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


def test_a_public_registry_may_not_send_us_into_private_networks(registry: Registry) -> None:
    way = transport(registry.host)
    way.ask("GET", "/v2/")
    assert way._tokens is not None
    way._tokens.origin = "https://registry.example.com"

    for url in (
        "https://169.254.169.254/latest",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.1/",
    ):
        with pytest.raises(RegistryError, match="private network"):
            way.checked("https://registry.example.com/v2/", url)
    with pytest.raises(RegistryError, match="from https to"):
        way.checked("https://registry.example.com/v2/", "http://storage.example.com/x")
    # Found by the fuzzer, for tokens: Python's error for half an IPv6 address came through.
    with pytest.raises(RegistryError, match="no address"):
        way.checked("https://registry.example.com/v2/", "https://[x")
    here = "https://registry.example.com/v2/a"
    assert way.checked(here, "https://storage.example.com/x") == "https://storage.example.com/x"
    assert way.checked(here, "b?c") == "https://registry.example.com/v2/b?c"


def test_a_body_that_nobody_waits_for_any_more_is_not_sent_to_its_end() -> None:
    """Else it would run on beside its own continuation, into the same upload."""
    left = threading.Event()
    sending = iter(Content(3, lambda: iter([b"a", b"b", b"c"])).until(left))

    assert next(sending) == b"a"
    left.set()

    with pytest.raises(Broken):
        next(sending)


def test_a_registry_is_known_by_the_certificate_that_docker_has_for_it(
    tls: tuple[Registry, Path], tmp_path: Path
) -> None:
    registry, certificate = tls
    folder = tmp_path / "config/docker/certs.d" / registry.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(certificate.read_bytes())

    found = transport(registry.host, {"XDG_CONFIG_HOME": str(tmp_path / "config")}).ask("GET", "/v2/")

    assert found.status == 200


def test_our_own_certificate_for_a_registry_lies_beside_its_ca(tmp_path: Path) -> None:
    folder = tmp_path / "docker/certs.d/registry.example.com:5000"
    folder.mkdir(parents=True)
    for name in ("client.cert", "client.key", "other.crt"):
        (folder / name).write_text("")

    trust = trust_for("registry.example.com:5000", {"XDG_CONFIG_HOME": str(tmp_path)})

    assert trust.authorities == str(folder / "other.crt")
    assert trust.ours == (str(folder / "client.cert"), str(folder / "client.key"))
    assert trust_for("..", {"XDG_CONFIG_HOME": str(tmp_path)}).ours is None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights")
def test_who_was_root_looks_for_no_certificate_in_roots_home(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir(mode=0o700)

    def body() -> Trust:
        os.setresuid(12345, 12345, 12345)
        return trust_for("registry.example.com", {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)})

    assert isinstance(in_child(body), Trust)
