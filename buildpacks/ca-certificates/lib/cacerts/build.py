"""One bundle for the build; for the app a program that makes one when it starts, of what is bound then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cacerts.certificates import EMBED, VARIABLES, bound, certificates
from pybuild.libcnb import output
from pybuild.libcnb.bindings import of_type
from pybuild.libcnb.launch import Built
from pybuild.libcnb.layers import Types, write_file

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext

SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")


def build(context: BuildContext) -> Built:
    """Two layers: `bundle` for the build, `trust` for the app."""
    output.heading(f"CA certificates buildpack {context.version}")
    found = certificates(bound(context.bindings))
    if found:
        output.section(f"The build trusts {_count(found)} more")
        _for_the_build(context)
    trust = context.layers.fresh_layer("trust", Types(launch=True))
    if found and context.flag(EMBED):
        write_file(trust.path / "certificates.pem", "".join(found))
        output.section(f"The app trusts {_count(found)} more ({EMBED})")
    trust.exec_d("ca-certificates", (context.buildpack / "templates/ca-certificates").read_text())
    output.section("The app trusts what is bound to it with type ca-certificates when it starts")
    return Built()


def _for_the_build(context: BuildContext) -> None:
    layer = context.layers.fresh_layer("bundle", Types(build=True))
    base = Path(context.setting("SSL_CERT_FILE") or SYSTEM)
    # What the platform binds belongs in here, too: tools look at one bundle only.
    every = certificates(of_type(context.bindings, "ca-certificates"))
    text = base.read_text(errors="surrogateescape") if base.is_file() else ""
    bundle = layer.path / "ca-certificates.crt"
    write_file(bundle, text.rstrip() + "\n" + "".join(every))
    for variable in VARIABLES:
        layer.env(variable, str(bundle), scope="build")


def _count(found: tuple[str, ...]) -> str:
    return f"{len(found)} certificate" + ("" if len(found) == 1 else "s")
