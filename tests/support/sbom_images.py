"""Images with bills of materials, as OCI layouts: no engine is needed to read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component, documents
from support.layouts import LayoutMaker, digest_of, layer_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

JQ = Component(
    name="jq",
    version="1.6",
    purl=purl.deb("jq", "1.6", distro="debian"),
    licences=("MIT",),
    hashes={"SHA-256": "ab" * 32},
)
FLASK = Component(
    name="flask",
    version="3.0",
    purl=purl.pypi("flask", "3.0"),
    licences=("BSD-3-Clause", "of our own"),
    homepage="https://flask.example.org",
)
SCOPED = Component(name="@scope/x", version="2", purl=purl.npm("@scope/x", "2"))


def image_with_sbom(folder: Path, files: Mapping[str, str] | None = None, below: Sequence[bytes] = ()) -> str:
    """The word for an image in a layout: of the buildpacks pybuild/apt (layer packages: jq) and acme/py (flask, and in no layer x).

    `files`: the content of its SBOM layer, instead. `below`: layers under it.
    """
    if files is None:
        files = {
            f"layers/sbom/launch/{where}/sbom.{ending}": text
            for where, components in {
                "pybuild_apt/packages": (JQ,),
                "acme_py/venv": (FLASK, JQ),
                "acme_py": (SCOPED,),
            }.items()
            for ending, text in documents(where, components).items()
        } | {"layers/sbom/launch/sbom.legacy.json": "null"}
    maker = LayoutMaker(folder)
    content = layer_of(**files)
    maker.index(
        maker.image([*below, content], config={"config": {"Labels": labels_of(content)}}, compress=False)
    )
    return f"oci:{folder}"


def labels_of(content: bytes) -> dict[str, str]:
    """The label of an image with this SBOM layer."""
    label = {
        "sbom": {"sha": digest_of(content)},
        "buildpacks": [
            {
                "key": "pybuild/apt",
                "version": "1",
                "layers": {"packages": {"sha": "sha256:0", "launch": True}},
            },
            {"key": "acme/py", "version": "1", "layers": {"venv": {"sha": "sha256:1", "launch": True}}},
        ],
    }
    return {"io.buildpacks.lifecycle.metadata": json.dumps(label)}
