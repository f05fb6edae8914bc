"""What of a Node.js app is in the image: its bill of materials, memory for its process, its processes."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from nodejs import bill, processes
from nodejs.layers import config, libraries
from nodejs.manifest import Manifest
from nodejs.scripts import Start
from pybuild.libcnb.layers import Layer, Types

if TYPE_CHECKING:
    from pathlib import Path


def package(app: Path, folder: str, **value: Any) -> None:
    (app / folder).mkdir(parents=True, exist_ok=True)
    (app / folder / "package.json").write_text(json.dumps(value))


def test_the_bill_lists_what_the_app_needs_as_node_would_find_it(tmp_path: Path) -> None:
    package(
        tmp_path,
        "node_modules/a",
        name="a",
        version="1.0.0",
        license="MIT",
        dependencies={"b": "2", "@s/c": "1"},
    )
    package(tmp_path, "node_modules/a/node_modules/b", name="b", version="2.0.0", licenses=[{"type": "ISC"}])
    package(tmp_path, "node_modules/b", name="b", version="1.0.0")
    package(
        tmp_path,
        "node_modules/@s/c",
        name="@s/c",
        version="1.2.3",
        license="(MIT OR Apache-2.0)",
        author="Ada",
    )
    package(tmp_path, "node_modules/typescript", name="typescript", version="5.9.0")
    manifest = Manifest(dependencies={"a": "1", "fsevents": "2"}, dev={"typescript": "5"})

    found = {component.purl: component for component in bill.components(tmp_path, manifest)}

    assert sorted(found) == ["pkg:npm/%40s/c@1.2.3", "pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0"]
    assert found["pkg:npm/b@2.0.0"].licences == ("ISC",)
    assert found["pkg:npm/%40s/c@1.2.3"].licences == ("MIT OR Apache-2.0",)
    assert found["pkg:npm/b@2.0.0"].where == "node_modules/a/node_modules/b/package.json"


def test_the_bill_of_a_workspace_has_what_its_members_need(tmp_path: Path) -> None:
    package(tmp_path, "packages/api", name="@x/api", dependencies={"a": "1"})
    package(tmp_path, "node_modules/a", name="a", version="1.0.0")
    (tmp_path / "node_modules/@x").mkdir()
    (tmp_path / "node_modules/@x/api").symlink_to("../../packages/api")

    assert bill.components(tmp_path, Manifest()) == ()
    found = bill.components(tmp_path, Manifest(workspaces=True))

    assert [component.purl for component in found] == ["pkg:npm/a@1.0.0"]


def test_packages_are_found_where_pnpm_links_them_but_not_outside_the_app(tmp_path: Path) -> None:
    app = tmp_path / "app"
    package(app, "node_modules/.pnpm/a@1/node_modules/a", name="a", version="1.0.0", dependencies={"b": "1"})
    package(app, "node_modules/.pnpm/a@1/node_modules/b", name="b", version="1.1.0")
    package(tmp_path, "elsewhere", name="secret", version="9.0.0")
    (app / "node_modules/a").symlink_to(".pnpm/a@1/node_modules/a")
    (app / "node_modules/secret").symlink_to(tmp_path / "elsewhere")

    found = bill.components(app, Manifest(dependencies={"a": "1", "secret": "9"}))

    assert sorted(component.purl for component in found) == ["pkg:npm/a@1.0.0", "pkg:npm/b@1.1.0"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (Start(kind="file", line="server.js", found=""), ("pybuild-init", "node", "server.js")),
        (
            Start(kind="line", line="node dist/a.js", found=""),
            ("pybuild-init", "bash", "-c", "exec node dist/a.js"),
        ),
        (Start(kind="line", line="npm run x", found=""), ("pybuild-init", "-g", "bash", "-c", "npm run x")),
    ],
)
def test_signals_reach_the_app_through_an_init(
    first: Start, expected: tuple[str, ...], tmp_path: Path
) -> None:
    layer = Layer(name="x", path=tmp_path, types=Types(launch=True, build=True))

    assert processes.command(layer, first) == expected


@pytest.mark.parametrize("options", ["--max-old-space-size=100", "--max_old_space_size=100"])
def test_memory_that_the_user_sets_stays(options: str, tmp_path: Path) -> None:
    script = tmp_path / "exec-d"
    script.write_text(config._MEMORY)

    subprocess.run(
        ["bash", "-c", 'bash "$0" 3>"$1"', str(script), str(tmp_path / "out")],
        env={"PATH": os.environ["PATH"], "NODE_OPTIONS": options},
        check=True,
    )

    assert (tmp_path / "out").read_text() == ""


def test_a_node_that_is_linked_to_more_than_the_run_image_has_says_so(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"\x7fELF\0libdl.so.2\0libatomic.so.1\0libc.so.6\0")
    (tmp_path / "old").write_bytes(b"\x7fELF\0libdl.so.2\0libc.so.6\0")

    assert libraries.needed(tmp_path / "new") == ("libatomic1",)
    assert libraries.needed(tmp_path / "old") == ()
