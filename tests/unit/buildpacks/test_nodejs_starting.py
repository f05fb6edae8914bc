"""An app whose script `start` is for developers is refused at build; it would end at once in the image."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from nodejs import registry, standalone
from nodejs.build import starting
from nodejs.layers import modules, runtime, tool
from nodejs.manifest import Lock, Manifest
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.fetch import Downloads
from pybuild.libcnb.layers import Layer, Layers, Types
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from nodejs.scripts import Start

FOR_DEVELOPERS = Manifest(scripts={"start": "no-such-tool serve"}, dev={"no-such-tool": "1"})


def started(app: Path, manifest: Manifest, *, exec_env: str = "production", **environ: str) -> Start | None:
    return starting(building(app, exec_env=exec_env, **environ), manifest, Lock(tool="npm"))


def building(app: Path, *, exec_env: str = "production", **environ: str) -> BuildContext:
    return BuildContext(
        app=app,
        buildpack=app,
        layers=Layers(app / "layers"),
        platform=app / "platform",
        plan=(),
        store={},
        target=Target(),
        environ=environ,
        version="1",
        exec_env=exec_env,
    )


def test_a_script_for_developers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot run in the image") as refused:
        started(tmp_path, FOR_DEVELOPERS)

    assert "no-such-tool is in none of the packages in dependencies" in refused.value.found
    assert any("BP_NODE_PRUNE=false" in step for step in refused.value.steps)


def test_who_keeps_all_packages_is_believed(tmp_path: Path) -> None:
    """The program may be one that only the run image has."""
    found = started(tmp_path, FOR_DEVELOPERS, BP_NODE_PRUNE="false")

    assert found is not None
    assert found.line == "no-such-tool serve"


@pytest.mark.parametrize("exec_env", ["development", "test"])
def test_developers_have_the_program(exec_env: str, tmp_path: Path) -> None:
    assert started(tmp_path, FOR_DEVELOPERS, exec_env=exec_env) is not None


def test_an_app_without_packages_for_developers_is_believed(tmp_path: Path) -> None:
    assert started(tmp_path, Manifest(scripts={"start": "no-such-tool serve"})) is not None


def test_a_procfile_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: node server.js\n")

    assert started(tmp_path, FOR_DEVELOPERS) is None


def test_the_root_of_a_workspace_is_told_which_of_its_packages_could_be_started(tmp_path: Path) -> None:
    for name, script in (("apps/api", {"start": 'node "dist/server.js"'}), ("apps/web", {"dev": "vite"})):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "package.json").write_text(json.dumps({"name": name, "scripts": script}))

    with pytest.raises(Problem, match="Nothing was found that starts the app") as refused:
        started(tmp_path, Manifest(workspaces=True))

    assert "these have a script start: apps/api." in refused.value.found
    assert refused.value.paste is not None
    assert json.loads(f"{{{refused.value.paste.text}}}") == {
        "scripts": {"start": 'cd apps/api && node "dist/server.js"'}
    }

    with pytest.raises(Problem, match="Nothing was found") as refused:
        started(tmp_path, Manifest())

    assert refused.value.found.endswith("main.js or index.js.")


NEXT = Manifest(scripts={"build": "next build", "start": "next start"}, dependencies={"next": "16"})


def built_by_next(app: Path) -> None:
    for name in (
        ".next/standalone/server.js",
        ".next/standalone/node_modules/next/package.json",
        ".next/standalone/.next/server/page.js",
        ".next/static/chunk.js",
        ".next/server/page.js",
        "public/logo.svg",
        "node_modules/next/package.json",
        "node_modules/react/package.json",
    ):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("{}")


def files(app: Path) -> set[str]:
    return {str(file.relative_to(app)) for file in app.rglob("*") if file.is_file()}


def test_the_standalone_server_of_next_gets_its_files_and_no_other_packages_stay(tmp_path: Path) -> None:
    built_by_next(tmp_path)
    context = building(tmp_path)

    found = standalone.find(context, NEXT)
    assert found is not None
    first = standalone.complete(context, found)

    assert first.line == ".next/standalone/server.js"
    assert files(tmp_path) == {
        ".next/standalone/server.js",
        ".next/standalone/node_modules/next/package.json",
        ".next/standalone/.next/server/page.js",
        ".next/standalone/.next/static/chunk.js",
        ".next/standalone/public/logo.svg",
    }


def test_who_keeps_packages_keeps_them_beside_a_standalone_server(tmp_path: Path) -> None:
    built_by_next(tmp_path)
    context = building(tmp_path, BP_NODE_PRUNE="false")

    found = standalone.find(context, NEXT)
    assert found is not None
    standalone.complete(context, found)

    assert (tmp_path / "node_modules/react/package.json").is_file()


@pytest.mark.parametrize(
    ("start", "procfile", "exec_env"),
    [
        ("node custom.js", "", "production"),
        ("next start", "worker: node w.js", "production"),
        ("next start", "", "test"),
    ],
)
def test_an_app_that_is_started_otherwise_keeps_everything(
    start: str, procfile: str, exec_env: str, tmp_path: Path
) -> None:
    built_by_next(tmp_path)
    if procfile:
        (tmp_path / "Procfile").write_text(procfile)
    manifest = replace(NEXT, scripts={"start": start})

    assert standalone.find(building(tmp_path, exec_env=exec_env), manifest) is None


def test_nuxt_is_started_from_what_it_built(tmp_path: Path) -> None:
    for name in (".output/server/index.mjs", "node_modules/nuxt/package.json", ".nuxt/tsconfig.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    context = building(tmp_path)

    found = standalone.find(context, Manifest(dependencies={"nuxt": "4"}))
    assert found is not None
    first = standalone.complete(context, found)

    assert first.line == ".output/server/index.mjs"
    assert files(tmp_path) == {".output/server/index.mjs"}


@pytest.mark.parametrize(
    ("package", "built", "left"),
    [
        ("@sveltejs/adapter-node", "build/index.js", False),
        ("@sveltejs/adapter-node", "other/index.js", True),
        ("@sveltejs/kit", "build/index.js", True),
    ],
)
def test_what_sveltekit_writes_beside_its_server_is_left_out(
    tmp_path: Path, package: str, built: str, left: bool
) -> None:
    for name in (built, ".svelte-kit/ambient.d.ts"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    standalone.drop_steps(building(tmp_path), Manifest(dev={package: "5"}))

    assert (tmp_path / ".svelte-kit").exists() is left
    assert (tmp_path / built).exists()


def test_tools_do_not_try_for_minutes_what_the_buildpack_has_found_out_of_reach(tmp_path: Path) -> None:
    kept = Downloads(tmp_path / "kept", offline=True, pause=0.001)
    url = "http://127.0.0.1:9"
    answer = tmp_path / "kept/answers" / sha256(f"{url}/node".encode()).hexdigest()
    answer.parent.mkdir(parents=True)
    answer.write_text('{"versions": {}}')
    source = registry.Registry(url=url, headers={}, downloads=kept)
    context = building(tmp_path)
    layer = Layer(name="node", path=tmp_path / "node", types=Types())
    node = runtime.Runtime(layer=layer, version="24.1.0", headers=tmp_path, environ={})
    npm = tool.PackageTool(name="npm", version="11.0.0", bin=tmp_path)
    before = modules.environ(context, node, npm, source)

    source.versions("node")
    after = modules.environ(context, node, npm, source)

    assert "npm_config_offline" not in before
    assert after["npm_config_offline"] == "true"
