"""Whether a group and a plan can have come out of detection: a check for platforms that do not trust who wrote them.

The detector runs strangers' programs in its own container and writes group.toml and plan.toml beside them. A platform
that runs each phase in a container of its own asks here, where no buildpack runs, before it goes by them.

Specification: buildpack.md, "Phase #1: Detection", "Order Resolution"; platform.md, "detector" / Outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import DetectError
from pybuild.lifecycle.detect import ExecutionEnvironment, effective_order, group_of
from pybuild.lifecycle.order import check_order, expand

if TYPE_CHECKING:
    from pybuild.lifecycle.buildpacks import Modules
    from pybuild.lifecycle.order import Candidate
    from pybuild.spec.api import ApiVersion
    from pybuild.spec.order import Group, OrderFile, System
    from pybuild.spec.plan import Plan


def confirm(
    group: Group,
    plan: Plan,
    *,
    order: OrderFile,
    system: System,
    modules: Modules,
    platform_api: ApiVersion,
    exec_env: str,
) -> Group:
    """The group, as the detector writes it; `DetectError` (22) unless detection of this order can end with both.

    A group may lack optional members, but nobody may be in it whom the order does not name there, in that order,
    with that version and Buildpack API; the plan may name no provider but its members.
    """
    whole = effective_order(order, system, platform_api)
    check_order(whole, modules)
    here = ExecutionEnvironment(platform_api, exec_env)
    found = (_fitting(group, one) for one in expand(whole, modules, takes_part=here.left_out))
    confirmed = next((one for one in found if one is not None), None)
    if confirmed is None:
        named = ", ".join(map(str, (*group.extensions, *group.buildpacks))) or "nobody"
        raise DetectError(
            f"the group ({named}) is none that the order stands for",
            hint="something but the detector wrote group.toml: do not go on with this build",
        )
    members = {(each.extension, each.id, each.version) for each in (*group.extensions, *group.buildpacks)}
    for entry in plan.entries:
        for provider in entry.providers:
            if (provider.extension, provider.id, provider.version) not in members:
                raise DetectError(
                    f"the plan names {provider.id}@{provider.version} as a provider, who is not in the group",
                    hint="something but the detector wrote plan.toml: do not go on with this build",
                )
    return confirmed


def _fitting(group: Group, candidate: Candidate) -> Group | None:
    chosen = {(each.extension, each.id) for each in (*group.extensions, *group.buildpacks)}
    kept = [each for each in candidate.members if (each.extension, each.id) in chosen]
    left = [each for each in candidate.members if (each.extension, each.id) not in chosen]
    expected = group_of(kept)
    fits = bool(kept) and all(each.optional for each in left) and _said(group) == _said(expected)
    return expected if fits else None


def _said(group: Group) -> list[tuple[str, str, str, str, bool]]:
    """What a group says of its members; that one was optional is of no use to later phases."""
    return [
        (each.id, each.version, each.api, each.homepage, each.extension)
        for each in (*group.extensions, *group.buildpacks)
    ]
