"""Labels of buildpackages and builders that describe the modules in them.

Specification: distribution.md, "Buildpackage" (PKG-01 to PKG-06); the objects are those that pack writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.errors import InvalidInput
from pybuild.gojson import Struct
from pybuild.spec.buildpack import Stack
from pybuild.spec.order import order_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.spec.buildpack import Descriptor

METADATA = "io.buildpacks.buildpackage.metadata"
LAYERS = {"buildpack": "io.buildpacks.buildpack.layers", "extension": "io.buildpacks.extension.layers"}
ANY_STACK = Stack(id="*")


def info(about: Descriptor) -> Struct:
    """Who a module is, as it stands in builders' and packages' metadata."""
    fields = {
        "id": about.id,
        "name": about.name,
        "version": about.version,
        "description": about.description,
        "homepage": about.homepage,
        "keywords": list(about.keywords),
        "exec-env": list(about.exec_envs),
        # pack has no JSON names for these two.
        "licenses": [Struct(Type=each.type, URI=each.uri) for each in about.licenses],
        "clear-env": about.clear_env,
    }
    return Struct({key: value for key, value in fields.items() if value})


def layers_label(modules: Iterable[tuple[Descriptor, str]]) -> Mapping[str, Mapping[str, Struct]]:
    """The label that tells which layer brings which module: pairs of descriptor and diff id."""
    found: dict[str, dict[str, Struct]] = {}
    for about, diff_id in modules:
        fields = {
            "api": about.api,
            "stacks": list(map(stack_tree, about.stacks)),
            "targets": [each.tree() for each in about.declared_targets],
            "order": order_tree(about.order),
            "layerDiffID": diff_id,
            "homepage": about.homepage,
            "name": about.name,
        }
        entry = Struct({key: value for key, value in fields.items() if value})
        found.setdefault(about.id, {})[about.version] = entry
    return found


def stack_tree(stack: Stack) -> Struct:
    """The object of a stack."""
    return Struct(id=stack.id, mixins=list(stack.mixins)) if stack.mixins else Struct(id=stack.id)


def package_stacks(main: Descriptor, others: Sequence[Descriptor]) -> tuple[Stack, ...]:
    """The stacks that every buildpack of a package runs on, each with all their mixins (PKG-05).

    A composite runs wherever its parts do; a buildpack without stacks goes by targets and runs on any. Raises
    `InvalidInput` if there is none.
    """
    found: tuple[Stack, ...] | None = None
    for about in (main, *others):
        own = about.stacks or (() if about.order else (ANY_STACK,))
        if own:
            found = own if found is None else _common(found, own)
    if not found:
        raise InvalidInput(
            f"the buildpacks of the package {main} have no stack in common, so it could run nowhere",
            hint="compare [[stacks]] in their buildpack.toml; pybuild buildpack lint tells how to leave stacks out",
        )
    return found


def _common(left: Sequence[Stack], right: Sequence[Stack]) -> tuple[Stack, ...]:
    wild = [any(stack.id == "*" for stack in each) for each in (left, right)]
    if all(wild):
        return (ANY_STACK,)
    if any(wild):
        return tuple(right if wild[0] else left)
    mixins = {stack.id: stack.mixins for stack in left}
    return tuple(
        Stack(id=stack.id, mixins=tuple(sorted({*mixins[stack.id], *stack.mixins})))
        for stack in right
        if stack.id in mixins
    )


def check_stacks(about: Descriptor) -> None:
    """Raise `InvalidInput` for what buildpack.md forbids of `[[stacks]]`, `[[targets]]` and `[[order]]` (BPT-16)."""
    if about.order and about.stacks:
        raise InvalidInput(
            f"{about} has both [[order]] and [[stacks]]: a composite runs where its parts do",
            hint="leave out [[stacks]]",
        )
    if about.order and about.declared_targets:
        raise InvalidInput(
            f"{about} has both [[order]] and [[targets]]: a composite runs where its parts do",
            hint="leave out [[targets]]; package.toml may have them",
        )
    if any(stack.id == "*" and stack.mixins for stack in about.stacks):
        raise InvalidInput(f"{about} asks for mixins on every stack", hint='leave out mixins beside id = "*"')
    ids = [stack.id for stack in about.stacks]
    twice = next((each for each in ids if ids.count(each) > 1), None)
    if twice is not None:
        raise InvalidInput(f"{about} names the stack {twice!r} twice", hint="join the two [[stacks]]")


def check_package(main: Descriptor, others: Sequence[Descriptor]) -> None:
    """Raise `InvalidInput` unless all that orders name is in the package, and nothing more (PKG-04, PKG-08)."""
    for about in (main, *others):
        check_stacks(about)
    present = {str(about) for about in others}
    used: set[str] = set()
    for about in (main, *others):
        for ref in (ref for group in about.order for ref in group):
            if not ref.version:
                raise InvalidInput(f"{about} must specify a version when referencing {ref.id}")
            if str(ref) not in present:
                raise InvalidInput(
                    f"{about} references {ref}, which is not present in the package",
                    hint="add its place to package.toml: [[dependencies]] uri = …",
                )
            used.add(str(ref))
    unused = sorted(present - used)
    if unused:
        raise InvalidInput(
            f"{unused[0]} is not used by {main}",
            hint="take it out of [[dependencies]], or add it to an [[order]]",
        )
