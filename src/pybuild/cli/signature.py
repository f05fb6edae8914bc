"""`pybuild signature make-key|sign|check`: signatures of images in registries, as cosign has them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.oci.reference import Reference
    from pybuild.stores.registry import RegistryStore


@click.group("signature", context_settings=CONTEXT)
def command() -> None:
    """Make keys; sign images in a registry, and check who signed them."""


@command.command("make-key", context_settings=CONTEXT)
@click.argument("name")
@output_options
def make_key(name: str, *, display: Display) -> int:
    """Make the pair NAME.key, which signs, and NAME.pub, which checks.

    PYBUILD_KEY_PASSWORD, if it is set, encrypts the one that signs, and is needed to use it.
    """
    with display.console() as shown:
        from pybuild.platform.signing.keys import PASSWORD, make_pair

        private, public = Path(f"{name}.key"), Path(f"{name}.pub")
        make_pair(private, public, password=os.environ.get(PASSWORD, ""))
        shown.line(f"Made {private} (keep it secret) and {public} (give it to those who check).")
        shown.line(f"Sign with it:  pybuild signature sign IMAGE --key {private}")
    return 0


@command.command("sign", context_settings=CONTEXT)
@click.argument("image")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The private key, NAME.key.")
@insecure_registry_option
@output_options
def sign(
    image: str,
    *,
    key: Path,
    insecure_registries: Sequence[str],
    display: Display,
) -> int:
    """Sign the image that IMAGE names in its registry now; prints its digest."""
    with display.console() as shown:
        from pybuild.platform.signing import keys, signatures

        private = keys.read_private(key, password=os.environ.get(keys.PASSWORD, ""))
        with _opened(insecure_registries) as store:
            name, digest = _found(store, image)
            made = signatures.sign(store, name, digest, private)
        shown.line(f"{'Signed' if made else 'Signed before:'} {name.familiar_repository}@{digest}")
    sys.stdout.write(f"{digest}\n")
    return 0


@command.command("check", context_settings=CONTEXT)
@click.argument("image")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The public key, NAME.pub.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on standard output.")
@insecure_registry_option
@output_options
def check(
    image: str,
    *,
    key: Path,
    as_json: bool,
    insecure_registries: Sequence[str],
    display: Display,
) -> int:
    """Check that IMAGE has been signed by KEY; prints its digest. Ends with 15 where it has not."""
    with display.console():
        from pybuild.platform.signing import keys, signatures

        public = keys.read_public(key)
        with _opened(insecure_registries) as store:
            name, digest = _found(store, image)
            signatures.check(store, name, digest, public)
    found = {"image": str(name), "digest": digest, "key": str(key)}
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n" if as_json else f"{digest}\n")
    return 0


def _opened(insecure: Sequence[str]) -> Any:
    from contextlib import closing

    from pybuild.stores.keychain import Keychain
    from pybuild.stores.registry import RegistryStore

    store = RegistryStore(Keychain(os.environ), environ=os.environ, insecure=insecure)
    return closing(store)


def _found(store: RegistryStore, image: str) -> tuple[Reference, str]:
    from pybuild.errors import RegistryError
    from pybuild.oci.reference import Reference

    name = Reference.parse(image)
    digest = store.tagged(name)
    if not digest:
        raise RegistryError(
            f"there is no image {name} in its registry",
            hint="signatures are of published images: pybuild … --publish",
        )
    return name, digest
