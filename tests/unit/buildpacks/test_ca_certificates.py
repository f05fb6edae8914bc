"""Bound certificates: read at build, and merged by the exec.d program, which runs in bash here as in an image."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cacerts import build as cacerts_build
from cacerts.certificates import bound, certificates
from pybuild.libcnb.bindings import read_bindings
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layers
from pybuild.libcnb.problem import Problem
from support.authority import certificate

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILDPACK = Path(__file__).parents[3] / "buildpacks/ca-certificates"
ONE, TWO = (ssl.DER_cert_to_PEM_cert(certificate(name)) for name in ("one", "two"))


def bind(root: Path, name: str, **files: str) -> None:
    for key, text in {"type": "ca-certificates", **files}.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / key).write_text(text)


def built(root: Path, **environ: str) -> Mapping[str, Path]:
    """The layers of a build with the bindings in root/bindings."""
    (root / "layers").mkdir()
    context = BuildContext(
        app=root,
        buildpack=BUILDPACK,
        platform=root,
        layers=Layers(root / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env="production",
        environ=environ,
        version="1",
        bindings=read_bindings(root / "bindings"),
    )
    cacerts_build.build(context)
    return {path.name: path for path in (root / "layers").iterdir()}


def exec_d(layer: Path, bindings: Path, **environ: str) -> tuple[int, dict[str, str], str]:
    """What the exec.d program ends with, sets and says."""
    read, write = os.pipe()
    with os.fdopen(read) as stream:
        done = subprocess.run(
            ["bash", "-c", f'exec 3>&{write}; exec "$0"', str(layer / "exec.d/ca-certificates")],
            env={"PATH": os.environ["PATH"], "SERVICE_BINDING_ROOT": str(bindings), **environ},
            pass_fds=[write],
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(write)
        pairs = (line.split(" = ", 1) for line in stream.read().splitlines())
        return done.returncode, {name: value.strip('"') for name, value in pairs}, done.stderr


def test_certificates_are_taken_once_from_all_files(tmp_path: Path) -> None:
    bind(tmp_path, "a", **{"ca.crt": f"a note\n{ONE}\n{TWO}", "provider": "none"})
    bind(tmp_path, "b", **{"same.pem": ONE})
    bind(tmp_path, "pybuild-ca-certificates", **{"x.crt": TWO})

    bindings = read_bindings(tmp_path)

    assert certificates(bindings) == (ONE, TWO)
    assert [binding.name for binding in bound(bindings)] == ["a", "b"]


@pytest.mark.parametrize("text", ["", "no certificate", ONE.replace("MII", "AAA", 1)])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, text: str) -> None:
    bind(tmp_path, "mine", **{"ca.crt": text})

    with pytest.raises(Problem, match="no CA certificate") as caught:
        certificates(read_bindings(tmp_path))

    assert "ca.crt of the binding mine" in caught.value.found


def test_the_build_gets_one_bundle_of_the_systems_and_the_bound_ones(tmp_path: Path) -> None:
    (tmp_path / "system.crt").write_text(TWO.rstrip())
    bind(tmp_path / "bindings", "mine", **{"ca.crt": ONE})

    layers = built(tmp_path, SSL_CERT_FILE=str(tmp_path / "system.crt"))

    bundle = layers["bundle"] / "ca-certificates.crt"
    assert bundle.read_text() == TWO + ONE
    assert (layers["bundle"] / "env.build/REQUESTS_CA_BUNDLE.override").read_text() == str(bundle)
    assert not (layers["trust"] / "certificates.pem").exists()


def test_an_app_with_a_binding_gets_a_bundle_when_it_starts(tmp_path: Path) -> None:
    bind(tmp_path / "run", "mine", **{"ca.crt": ONE.rstrip()})
    layers = built(tmp_path)

    status, environ, said = exec_d(layers["trust"], tmp_path / "run", CURL_CA_BUNDLE="/own")

    bundle = Path(environ["SSL_CERT_FILE"])
    text = bundle.read_text()
    bundle.unlink()
    bundle.parent.rmdir()
    assert (status, said) == (0, "")
    assert text.rstrip().endswith(ONE.rstrip())
    assert environ["NODE_EXTRA_CA_CERTS"] == environ["REQUESTS_CA_BUNDLE"] == str(bundle)
    assert "CURL_CA_BUNDLE" not in environ


def test_embedded_certificates_need_no_binding(tmp_path: Path) -> None:
    bind(tmp_path / "bindings", "mine", **{"ca.crt": ONE})
    layers = built(tmp_path, BP_EMBED_CERTS="true")

    status, environ, _ = exec_d(layers["trust"], tmp_path / "nothing")

    bundle = Path(environ["SSL_CERT_FILE"])
    assert status == 0
    assert ONE.rstrip() in bundle.read_text()
    bundle.unlink()
    bundle.parent.rmdir()


def test_without_a_binding_nothing_is_written_or_set(tmp_path: Path) -> None:
    layers = built(tmp_path)

    assert exec_d(layers["trust"], tmp_path / "nothing") == (0, {}, "")


def test_a_bound_file_without_a_certificate_ends_the_start(tmp_path: Path) -> None:
    bind(tmp_path / "run", "mine", **{"ca.crt": "oops"})
    layers = built(tmp_path)

    status, environ, said = exec_d(layers["trust"], tmp_path / "run")

    assert (status, environ) == (1, {})
    assert said.endswith("mine/ca.crt has no certificate in PEM text\n")
