"""Labels and annotations in words."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform.image_words import read_annotations, read_labels
from pybuild.platform.outputs import Output

NAMES = (Reference.parse("app"),)
ENGINE, REGISTRY = Output(kind="docker", names=NAMES), Output(kind="registry", names=NAMES)


def test_the_last_label_of_a_name_counts_and_values_may_have_anything() -> None:
    found = read_labels(["a=1", "b=x=y z", "a=2", "c="])

    assert found == (("a", "2"), ("b", "x=y z"), ("c", ""))


@pytest.mark.parametrize("word", ["a", "=1", "a b=1", "a\n=1", ""])
def test_a_word_that_is_no_pair_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="NAME=VALUE"):
        read_labels([word])


def test_the_labels_of_the_lifecycle_are_not_the_users() -> None:
    with pytest.raises(InvalidInput, match="lifecycle's to say"):
        read_labels(["io.buildpacks.lifecycle.metadata={}"])


def test_annotations_need_a_place_that_keeps_a_manifest() -> None:
    assert read_annotations(["a=1"], (ENGINE, REGISTRY)) == (("a", "1"),)
    assert read_annotations([], (ENGINE,)) == ()
    with pytest.raises(InvalidInput, match="an engine and a docker-archive do not keep"):
        read_annotations(["a=1"], (ENGINE,))
