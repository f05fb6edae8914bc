"""Extra CA certificates: found on this machine, delivered into builds."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidFile
from pybuild.platform.certificates import VARIABLES, deliver, host_bundle, host_certificates, parse, pem
from support.authority import certificate

if TYPE_CHECKING:
    from pathlib import Path

COMPANY, OTHER, PUBLIC = certificate("Company"), certificate("Other"), certificate("Public")


def test_the_test_authority_makes_what_openssl_takes_for_a_ca() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=COMPANY)

    assert [dict(pair[0] for pair in found["subject"]) for found in context.get_ca_certs()] == [  # type: ignore[misc]
        {"commonName": "Company"}
    ]


def test_certificates_come_from_variables_and_folders_each_once(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/company.crt").write_bytes(pem(COMPANY) + pem(OTHER))
    (folder / "notes.txt").write_bytes(pem(PUBLIC))
    (tmp_path / "bundle.pem").write_bytes(b"# words\n" + pem(PUBLIC) + pem(COMPANY))
    (tmp_path / "named.pem").write_bytes(pem(OTHER))
    environ = {"PYBUILD_CA_CERTS": f"{tmp_path}/named.pem:", "SSL_CERT_FILE": f"{tmp_path}/bundle.pem"}

    assert host_certificates(environ, folders=[folder]) == (OTHER, PUBLIC, COMPANY)
    assert host_certificates({}, folders=[tmp_path / "none"]) == ()


@pytest.mark.parametrize(
    "content", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_named_file_without_certificates_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pem").write_bytes(content)

    with pytest.raises(InvalidFile, match=r"bad\.pem"):
        host_certificates({}, files=[tmp_path / "bad.pem"], folders=[])


def test_a_found_file_without_certificates_is_only_warned_of(tmp_path: Path) -> None:
    (tmp_path / "bad.crt").write_bytes(b"no pem")
    (tmp_path / "good.crt").write_bytes(pem(COMPANY))
    heard: list[object] = []

    with events.listening(heard.append):
        found = host_certificates({"SSL_CERT_FILE": "/no/such"}, folders=[tmp_path])

    assert found == (COMPANY,)
    assert len(heard) == 2


def test_a_build_gets_merged_bundles_a_binding_and_variables() -> None:
    debian = "/etc/ssl/certs/ca-certificates.crt"

    found = deliver([COMPANY, PUBLIC], {debian: pem(PUBLIC)})

    assert set(found.files) == {
        debian,
        "/platform/ca-certificates.crt",
        "/platform/bindings/pybuild-ca-certificates/type",
        "/platform/bindings/pybuild-ca-certificates/pybuild-001.crt",
    }
    assert parse(found.files[debian]) == (PUBLIC, COMPANY)
    assert found.files["/platform/bindings/pybuild-ca-certificates/type"] == b"ca-certificates"
    assert parse(found.files["/platform/bindings/pybuild-ca-certificates/pybuild-001.crt"]) == (COMPANY,)
    assert found.environ == dict.fromkeys(VARIABLES, "/platform/ca-certificates.crt")


def test_what_the_container_trusts_already_needs_no_delivery() -> None:
    assert deliver([PUBLIC], {"/etc/ssl/certs/ca-certificates.crt": pem(PUBLIC)}).files == {}
    assert deliver([], {}).environ == {}


def test_a_container_without_a_bundle_gets_this_machines() -> None:
    found = deliver([COMPANY], {}, fallback=pem(PUBLIC))

    assert parse(found.files["/platform/ca-certificates.crt"]) == (PUBLIC, COMPANY)
    assert "/etc/ssl/certs/ca-certificates.crt" not in found.files


def test_the_hosts_bundle_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"x")

    assert host_bundle([tmp_path / "a", tmp_path / "b"]) == b"x"
    assert host_bundle([tmp_path / "a"]) == b""


@pytest.mark.parametrize("name", ["/dev/zero", "huge.pem"])
def test_a_file_without_end_or_far_too_large_is_told_and_not_read_whole(tmp_path: Path, name: str) -> None:
    with (tmp_path / "huge.pem").open("wb") as file:
        file.write(pem(COMPANY))
        file.truncate(1 << 40)

    with pytest.raises(InvalidFile, match="expected CA certificates in PEM text, found none"):
        host_certificates({"PYBUILD_CA_CERTS": str(tmp_path / name)}, folders=[])
