"""The recorded texts of image configurations and manifests, byte for byte (GEN-17)."""

from __future__ import annotations

from typing import Any

import pytest

from pybuild import gojson
from pybuild.oci import model
from support import golden

ENCODERS = {"image-config": model.encode_config, "manifest": model.encode_manifest}


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("json", only=lambda case: case["kind"] in ENCODERS))
def test_a_configuration_or_manifest_has_the_text_that_go_gives_it(case: dict[str, Any]) -> None:
    value = gojson.loads(case["input_text"], where="input")

    text = ENCODERS[case["kind"]](value)

    assert text.decode() == case["expected"]["text"]
