"""Which image of an index is taken, and what is said when there is none."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidArchive
from pybuild.oci.model import OCI_MANIFEST
from pybuild.stores.image_manifest import Platform, choose


def test_platforms_with_endless_names_do_not_make_an_endless_error() -> None:
    """S-43: found by `make fuzz`."""
    entry = {"mediaType": OCI_MANIFEST, "digest": "sha256:0", "platform": {"os": "lin" + "9" * 10_000}}
    entries = [entry] * 30

    with pytest.raises(InvalidArchive, match="has no image for linux/amd64: it has lin999") as caught:
        choose({"manifests": entries}, Platform(os="linux", arch="amd64"), "the index")

    assert len(str(caught.value)) < 2000
