"""Which builders a user trusts.

`pack` runs a trusted builder with the engine's socket and registry credentials in its one container, and any other one
in five containers. Our one flow gives them to no container (ADR 2), so trust changes nothing in how a build runs. It says
whose buildpacks may change what an earlier one has made (docs/adr/0017-changed-layers.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import InvalidReference
from pybuild.oci.reference import Reference
from pybuild.platform.builders.known_builders import KNOWN_BUILDERS
from pybuild.platform.pull import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pybuild.platform.buildpacks.fetch import Fetched
    from pybuild.platform.choices import Choices
    from pybuild.spec.config import Config
    from pybuild.spec.order import GroupElement

KNOWN = tuple(each.image for each in KNOWN_BUILDERS)
"""Builders that `pack` trusts from the start."""


def is_trusted(builder: str, config: Config) -> bool:
    """Whether the builder is one of ours, a known one, or one of the user's.

    A name without tag or digest stands for every tag of that repository on that registry, and of no other one: `pack`
    compares the repository alone, so that a stranger's registry can have a trusted builder.
    """
    asked = Reference.parse(builder)
    return is_ours(asked) or any(_covers(name, asked) for name in (*KNOWN, *config.trusted_builders))


def trusted_buildpacks(
    builder: str, config: Config, choices: Choices, added: Iterable[Fetched]
) -> Callable[[GroupElement], bool]:
    """Tells of a buildpack of the build whether it is trusted. `added`: what the builder does not bring itself."""
    strange = {
        (module.descriptor.id, module.descriptor.version) for fetched in added for module in fetched.modules
    }
    own = choices.trust_builder or is_trusted(builder, config)
    others = choices.trust_builder or choices.trust_added

    def trusts(buildpack: GroupElement) -> bool:
        return others if (buildpack.id, buildpack.version) in strange else own

    return trusts


def _covers(trusted: str, asked: Reference) -> bool:
    try:
        known = Reference.parse(trusted)
    except InvalidReference:
        return False
    if (known.registry, known.repository) != (asked.registry, asked.repository):
        return False
    return known == asked or not _is_exact(trusted)


def _is_exact(name: str) -> bool:
    return "@" in name or ":" in name.rpartition("/")[2]
