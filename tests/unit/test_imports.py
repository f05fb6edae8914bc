"""Who may import whom: cli → platform → lifecycle → stores, buildenv → spec, oci → gojson, errors, events."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FLOOR = {"gojson", "errors", "events"}

# What a folder (or a module beside them) may import, besides itself.
ALLOWED = {
    "errors": set(),
    "events": set(),
    "gojson": {"errors"},
    "engine": FLOOR,
    "spec": FLOOR,
    "oci": FLOOR,
    "glance": {"engine"},
    "stores": FLOOR | {"spec", "oci", "engine", "glance"},
    "buildenv": FLOOR | {"spec", "oci", "engine"},
    "launcher": FLOOR | {"spec", "buildenv"},
    "libcnb": {"errors", "spec"},
    "lifecycle": FLOOR | {"spec", "oci", "stores", "buildenv", "launcher"},
    "platform": FLOOR | {"spec", "oci", "stores", "buildenv", "launcher", "lifecycle", "engine"},
    "cli": FLOOR | {"spec", "oci", "stores", "buildenv", "lifecycle", "platform", "engine", "glance"},
    "api": FLOOR | {"platform"},
    "__main__": {"cli"},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((SOURCE / "pybuild").rglob("*.py"))}


def layer(module: str) -> str:
    """`spec` for pybuild.spec.toml, `errors` for pybuild.errors, "" for the package itself."""
    return [*module.split("."), ""][1]


@cache
def imports(module: str, *, types: bool = True, functions: bool = True) -> set[str]:
    """Modules that `module` imports; without `types` not those for annotations, without `functions` only at its top."""
    found = set()
    for node in _nodes(_tree(module), types, functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            source = node.module or ""
            inner = {f"{source}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {source}
    return found


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def _nodes(tree: ast.AST, types: bool, functions: bool) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not functions:
            continue
        found += [node, *_nodes(node, types, functions)]
    return found


def uses_docker(names: set[str]) -> bool:
    return any(name.split(".")[0] == "docker" for name in names)


@pytest.mark.parametrize("module", [name for name in MODULES if layer(name)])
def test_a_module_imports_only_what_lies_below_it(module: str) -> None:
    own = layer(module)

    above = {
        name
        for name in imports(module)
        if name.startswith("pybuild.") and layer(name) not in ALLOWED[own] | {own}
    }

    assert above == set()


def test_every_folder_has_its_place_in_the_table() -> None:
    assert {layer(module) for module in MODULES} - {""} <= ALLOWED.keys()


def test_the_page_of_the_tree_tells_the_same() -> None:
    page = (SOURCE.parent / "docs" / "explanation" / "layout.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `(\w+)/?` \|[^|]*\|([^|]*)\|$", page.partition("from the top down")[2], re.MULTILINE
    )

    told = {
        name: {*re.findall(r"`(\w+)`", cell), *(FLOOR if "the floor" in cell else ())} for name, cell in rows
    }

    assert told == {name: allowed for name, allowed in ALLOWED.items() if name != "__main__"}


def test_no_import_runs_in_a_circle() -> None:
    graph = {module: imports(module, types=False, functions=False) & MODULES.keys() for module in MODULES}

    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError as exc:
        pytest.fail(" → ".join(exc.args[1]))

    assert set(order) == MODULES.keys()


def test_only_engine_imports_docker_and_only_inside_functions() -> None:
    """Importing it takes 0.2 s, which no command should pay that does not need it; for annotations it is free."""
    anywhere = {module for module in MODULES if uses_docker(imports(module, types=False))}
    at_start = {module for module in MODULES if uses_docker(imports(module, types=False, functions=False))}

    assert anywhere <= {"pybuild.engine"}
    assert at_start == set()
