"""What the Node.js buildpack decides: versions, the tool that installs, scripts, front ends, how the app is started."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nodejs import build, explain, frontend, ranges, registry, scripts, settings, versions
from nodejs.layers import modules, tool
from nodejs.manifest import Lock, Manager, Manifest
from pybuild.libcnb.command import ToolFailed
from pybuild.libcnb.problem import Problem
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from pathlib import Path

NODES = ("26.12.1", "25.9.0", "24.22.3", "24.1.0", "22.23.5", "20.20.2", "18.20.8", "27.0.0-rc.1")


def write(app: Path, **files: object) -> None:
    for name, content in files.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("24", "24.22.3", "25.0.0"),
        ("24.x", "24.22.3", "25.0.0"),
        ("v24.1.x", "24.1.9", "24.2.0"),
        ("^22.12.0", "22.23.5", "22.11.0"),
        ("~22.12", "22.12.9", "22.13.0"),
        ("~22", "22.23.5", "23.0.0"),
        (">=20", "26.0.0", "19.9.9"),
        (">=20.x", "20.0.0", "19.9.9"),
        (">20", "21.0.0", "20.9.9"),
        ("<=20", "20.20.2", "21.0.0"),
        (">=18 <21", "20.1.0", "21.0.0"),
        (">= 18.0.0 < 21", "20.1.0", "21.0.0"),
        ("18 || 20 || >=22", "20.1.0", "21.0.0"),
        ("18 - 20", "20.20.2", "21.0.0"),
        ("^0.3.1", "0.3.9", "0.4.0"),
        ("20.19.0-0", "20.19.0", "20.19.1"),
    ],
)
def test_ranges_mean_what_npm_says(text: str, inside: str, outside: str) -> None:
    accepts = ranges.satisfies(text, "package.json")

    assert accepts(numbers(inside))
    assert not accepts(numbers(outside))


@pytest.mark.parametrize("text", ["", "*", "x", "latest", ">=0"])
def test_some_ranges_accept_all(text: str) -> None:
    assert ranges.satisfies(text, "package.json")((5, 0, 0))


@pytest.mark.parametrize("text", ["newest", ">=", "20 or so", "lts/nobody"])
def test_a_text_that_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cannot be understood"):
        versions.read(text, "package.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "26.12.1"),
        (">=18", "26.12.1"),
        ("24.x", "24.22.3"),
        ("25", "25.9.0"),
        ("lts/*", "26.12.1"),
        ("lts/jod", "22.23.5"),
        ("node", "26.12.1"),
        ("v20", "20.20.2"),
        ("24.1.0", "24.1.0"),
    ],
)
def test_the_newest_node_with_long_support_is_chosen(text: str, expected: str) -> None:
    want = (
        versions.read(text, ".nvmrc") if text else versions.Wanted(text="", place="", accepts=lambda _: True)
    )

    assert versions.choose(want, NODES) == expected


def test_a_series_that_has_just_begun_has_no_long_support_yet() -> None:
    want = versions.Wanted(text="", place="", accepts=lambda _: True)

    assert versions.choose(want, ("28.2.0", "26.12.1")) == "26.12.1"


def test_a_node_nobody_has_is_answered_with_what_there_is() -> None:
    with pytest.raises(Problem) as caught:
        versions.choose(versions.read("30", ".nvmrc"), NODES)

    assert (
        '.nvmrc asks for Node.js "30"; the registry has 26.12.1, 25.9.0, 24.22.3, 22.23.5'
        in caught.value.found
    )


def test_places_of_a_version_come_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, **{".nvmrc": "# ours\nv20\n", "package.json": {"engines": {"node": "18"}}})
    manifest = Manifest.read(tmp_path)

    assert versions.wanted("", tmp_path, manifest).place == ".nvmrc"
    assert versions.wanted("22", tmp_path, manifest).place == "BP_NODE_VERSION"
    write(tmp_path, **{".node-version": "20.1.0"})
    assert versions.wanted("", tmp_path, manifest).place == ".node-version"


@pytest.mark.parametrize(
    ("files", "manager", "expected"),
    [
        (["package-lock.json"], "", ("npm", "package-lock.json")),
        (["pnpm-lock.yaml"], "", ("pnpm", "pnpm-lock.yaml")),
        (["yarn.lock"], "", ("yarn", "yarn.lock")),
        ([], "", ("npm", "")),
        ([], "pnpm@10.1.0", ("pnpm", "")),
        (["package-lock.json", "yarn.lock"], "yarn@4.9.0", ("yarn", "yarn.lock")),
    ],
)
def test_one_tool_installs(files: list[str], manager: str, expected: tuple[str, str], tmp_path: Path) -> None:
    write(tmp_path, **{"package.json": {"packageManager": manager}}, **dict.fromkeys(files, ""))

    lock = Lock.read(tmp_path, Manifest.read(tmp_path))

    assert (lock.tool, lock.file) == expected


@pytest.mark.parametrize(
    ("files", "heading"),
    [
        ({"package.json": {}, "yarn.lock": "", "package-lock.json": "{}"}, "several lock files"),
        ({"package.json": {}, "bun.lock": ""}, "Bun is not supported"),
        ({"package.json": {"packageManager": "bun@1.2.3"}}, "Bun is not supported"),
        ({"package.json": {"packageManager": "npm"}}, "package manager cannot be understood"),
        ({"package.json": "{"}, r"package\.json cannot be read"),
        ({"package.json": "[]"}, r"package\.json cannot be read"),
        ({"package.json": "[" * 100_000}, r"package\.json cannot be read"),
    ],
)
def test_files_that_cannot_be_followed_are_explained(
    files: dict[str, Any], heading: str, tmp_path: Path
) -> None:
    write(tmp_path, **files)

    with pytest.raises(Problem, match=heading):
        Lock.read(tmp_path, Manifest.read(tmp_path))


MODERN = b"# This file is generated\n\n__metadata:\n  version: 8\n"


@pytest.mark.parametrize(
    ("manifest", "lock", "package", "inside", "outside"),
    [
        (Manifest(), Lock(tool="npm"), "npm", "11.21.2", "12.0.0"),
        (Manifest(allows_scripts=True), Lock(tool="npm"), "npm", "12.2.2", ""),
        (
            Manifest(),
            Lock(tool="yarn", file="yarn.lock", data=b"# yarn lockfile v1\n"),
            "yarn",
            "1.22.22",
            "2.4.3",
        ),
        (Manifest(), Lock(tool="yarn", file="yarn.lock", data=MODERN), "@yarnpkg/cli-dist", "4.18.1", ""),
        (Manifest(), Lock(tool="pnpm", data=b"lockfileVersion: '6.0'"), "pnpm", "8.15.9", "9.0.0"),
        (Manifest(), Lock(tool="pnpm", data=b"lockfileVersion: '9.0'"), "pnpm", "10.34.9", "11.0.0"),
        (Manifest(engines={"npm": ">=10 <11"}), Lock(tool="npm"), "npm", "10.9.3", "11.0.0"),
        (
            Manifest(manager=Manager(tool="yarn", version="4.9.1")),
            Lock(tool="yarn"),
            "@yarnpkg/cli-dist",
            "4.9.1",
            "4.9.2",
        ),
        (
            Manifest(manager=Manager(tool="pnpm", version="9.1.0")),
            Lock(tool="pnpm"),
            "pnpm",
            "9.1.0",
            "9.1.1",
        ),
    ],
)
def test_the_tools_version_follows_the_app(
    manifest: Manifest, lock: Lock, package: str, inside: str, outside: str
) -> None:
    wish = tool.wanted(manifest, lock)

    assert wish.package == package
    assert wish.accepts(numbers(inside))
    assert not (outside and wish.accepts(numbers(outside)))


def test_the_package_manager_may_come_with_its_digest(tmp_path: Path) -> None:
    write(tmp_path, **{"package.json": {"packageManager": f"pnpm@9.1.0+sha512.{'ab' * 64}"}})

    manager = Manifest.read(tmp_path).manager

    assert manager == Manager(tool="pnpm", version="9.1.0", digest=f"sha512:{'ab' * 64}")


def test_a_tool_must_run_on_the_chosen_node_and_be_a_script() -> None:
    known = {
        "12.0.0": {"engines": {"node": ">=18"}, "bin": {"pnpm": "pnpm"}},
        "11.0.0": {"engines": {"node": ">=22.13"}, "bin": {"pnpm": "bin/pnpm.mjs"}},
        "10.0.0": {"engines": {"node": ">=18.12"}, "bin": {"pnpm": "bin/pnpm.cjs"}},
    }

    def usable(entry: Any) -> bool:
        return str(entry["bin"]["pnpm"]).endswith("js")

    assert versions.newest_for(known, lambda _: True, "24.1.0", usable) == "11.0.0"
    assert versions.newest_for(known, lambda _: True, "20.1.0", usable) == "10.0.0"
    assert versions.newest_for(known, lambda _: True, "16.1.0", usable) == ""


def test_an_app_may_bring_its_yarn_but_not_one_from_elsewhere(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            ".yarnrc.yml": "nodeLinker: pnp\nyarnPath: .yarn/releases/yarn-4.9.1.cjs\n",
            ".yarn/releases/yarn-4.9.1.cjs": "",
        },
    )

    assert tool.vendored_yarn(tmp_path) == tmp_path / ".yarn/releases/yarn-4.9.1.cjs"
    write(tmp_path, **{".yarnrc.yml": "yarnPath: /bin/sh"})
    assert tool.vendored_yarn(tmp_path) is None


@pytest.mark.parametrize(
    ("names", "environ", "expected"),
    [
        (["build", "start"], {}, ("build",)),
        (["build", "heroku-build", "heroku-postbuild"], {}, ("heroku-build", "heroku-postbuild")),
        (["build", "css"], {"BP_NODE_RUN_SCRIPTS": "css, build"}, ("css", "build")),
        (["build"], {"BP_NODE_RUN_SCRIPTS": ""}, ()),
        (["start"], {}, ()),
    ],
)
def test_scripts_that_build_are_found_or_named(
    names: list[str], environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert scripts.to_build(Manifest(scripts=dict.fromkeys(names, "x")), environ) == expected


def test_a_script_that_is_named_must_be_there() -> None:
    with pytest.raises(Problem, match="script does not exist"):
        scripts.to_build(Manifest(), {"BP_NODE_RUN_SCRIPTS": "build"})


@pytest.mark.parametrize(
    ("manifest", "files", "expected", "needs_tool"),
    [
        (Manifest(scripts={"start": "node server.js"}), [], ("line", "node server.js"), False),
        (Manifest(scripts={"start": "npm run serve -- --x"}), [], ("line", "npm run serve -- --x"), True),
        (Manifest(scripts={"start": "node a.js && npx b"}), [], ("line", "node a.js && npx b"), True),
        (Manifest(scripts={"start": "node a.js", "prestart": "x"}), [], ("line", "npm run start"), True),
        (
            Manifest(dependencies={"nuxt": "4"}),
            [".output/server/index.mjs"],
            ("file", ".output/server/index.mjs"),
            False,
        ),
        (Manifest(main="lib/start.js"), ["lib/start.js", "index.js"], ("file", "lib/start.js"), False),
        (Manifest(main="../outside.js"), ["index.js"], ("file", "index.js"), False),
        (Manifest(), ["index.js", "server.mjs"], ("file", "server.mjs"), False),
    ],
)
def test_how_the_app_is_started_is_found(
    manifest: Manifest, files: list[str], expected: tuple[str, str], needs_tool: bool, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    write(tmp_path, **{"outside.js": ""})
    write(app, **{"README.md": ""}, **dict.fromkeys(files, ""))

    found = scripts.start(app, manifest, "npm")

    assert found is not None
    assert ((found.kind, found.line), found.needs_tool) == (expected, needs_tool)


NEST = Manifest(scripts={"start": "nest start", "start:prod": "node dist/main"})
QWIK = Manifest(
    scripts={"start": "vite --open --mode ssr", "build": "qwik build"},
    dev={"@builder.io/qwik-city": "1", "vite": "7"},
)
ANGULAR = Manifest(scripts={"start": "ng serve"}, dependencies={"@angular/ssr": "22"})


# As its starter makes it; a single-page app is the same with one word changed.
REACT_ROUTER = {
    "scripts": {
        "build": "react-router build",
        "dev": "react-router dev",
        "start": "react-router-serve ./build/server/index.js",
    },
    "dependencies": {"@react-router/node": "7", "@react-router/serve": "7", "react-router": "7"},
    "devDependencies": {"@react-router/dev": "7", "vite": "7"},
}
SPA = """\
import type { Config } from "@react-router/dev/config";

export default {
  // Server-side render by default, to enable SPA mode set this to `false`
  ssr: false,
} satisfies Config;
"""


@pytest.mark.parametrize(
    ("manifest", "files", "expected"),
    [
        (NEST, ["dist/main.js"], "node dist/main"),
        (NEST, ["dist/main.js", "node_modules/.bin/nest"], "nest start"),
        (ANGULAR, ["dist/shop/server/server.mjs"], "dist/shop/server/server.mjs"),
        (QWIK, ["server/entry.express.js"], "server/entry.express.js"),
        (
            Manifest(scripts={"start": "A=b nest start"}, dependencies={"@nestjs/core": "12"}),
            ["dist/src/main.js"],
            "dist/src/main.js",
        ),
        (Manifest(scripts={"start": "ts-node src/index.ts"}), ["src/index.ts"], "ts-node src/index.ts"),
        (
            Manifest(scripts={"start": "nest start", "start:prod": "npm run x"}, main="a.js"),
            ["a.js"],
            "a.js",
        ),
    ],
)
def test_a_script_for_developers_is_not_how_the_image_starts(
    manifest: Manifest, files: list[str], expected: str, tmp_path: Path
) -> None:
    write(tmp_path, **dict.fromkeys(["README.md", *files], ""))

    found = scripts.start(tmp_path, manifest, "npm")

    assert found is not None
    assert found.line == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nodemon server.js", "nodemon"),
        ("NODE_ENV=production cross-env X=1 node a.js", "cross-env"),
        ("tsx watch src/index.ts && echo", "tsx"),
        ("node server.js", ""),
        ("./bin/start", ""),
        ("bash start.sh", ""),
        ("npm run other", ""),
        ("cd dist && node main.js", ""),
        ('A="b c" other', ""),
        ("here", ""),
    ],
)
def test_the_program_that_a_script_lacks_is_named(line: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path, **{"node_modules/.bin/here": ""})
    found = scripts.script(Manifest(scripts={"start": line}), "npm", "start")

    assert found is not None
    assert scripts.lacks(tmp_path, found) == expected


def test_an_app_without_anything_to_start_is_known(tmp_path: Path) -> None:
    assert scripts.start(tmp_path, Manifest(main="missing.js"), "npm") is None


@pytest.mark.parametrize(
    ("package", "files", "expected"),
    [
        ({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}, {}, ("Vite", "dist", True)),
        (
            {"scripts": {"build": "b"}, "devDependencies": {"vite": "8", "@sveltejs/adapter-auto": "7"}},
            {},
            ("SvelteKit", "build", False),
        ),
        (
            {"scripts": {"build": "vite build", "start": "vite --host"}, "devDependencies": {"vite": "7"}},
            {"vite.config.ts": "export default { build: { outDir: './public_html' } }"},
            ("Vite", "public_html", True),
        ),
        (
            {
                "scripts": {"build": "b", "start": "react-scripts start"},
                "dependencies": {"react-scripts": "5"},
            },
            {},
            ("Create React App", "build", True),
        ),
        ({"scripts": {"build": "astro build"}, "dependencies": {"astro": "5"}}, {}, ("Astro", "dist", False)),
        (
            {"scripts": {"build": "ng build", "start": "ng serve"}, "dependencies": {"@angular/core": "20"}},
            {
                "angular.json": {
                    "projects": {"a": {"architect": {"build": {"options": {"outputPath": "out/a"}}}}}
                }
            },
            ("Angular", "out/a/browser", True),
        ),
        (
            {"scripts": {"build": "next build"}, "dependencies": {"next": "15"}},
            {"next.config.mjs": "export default { output: 'export' }"},
            ("Next.js export", "out", False),
        ),
        (REACT_ROUTER, {"react-router.config.ts": SPA}, ("React Router", "build/client", True)),
        (
            {
                "scripts": {"build": "remix vite:build"},
                "devDependencies": {"@remix-run/dev": "2", "vite": "6"},
            },
            {"vite.config.ts": "export default defineConfig({ plugins: [remix({ ssr: false })] })"},
            ("Remix", "build/client", True),
        ),
    ],
)
def test_front_ends_are_known_by_their_tools(
    package: dict[str, Any], files: dict[str, Any], expected: tuple[str, str, bool], tmp_path: Path
) -> None:
    write(tmp_path, **{"package.json": package}, **files)

    found = frontend.find(tmp_path, Manifest.read(tmp_path))

    assert found is not None
    assert (found.name, found.folders[0], found.single_page) == expected


def test_the_starter_of_sveltekit_is_told_that_it_needs_an_adapter() -> None:
    manifest = Manifest(scripts={"build": "vite build"}, dev={"@sveltejs/adapter-auto": "7", "vite": "8"})
    front_end = frontend.FrontEnd(name="SvelteKit", folders=("build",), single_page=False)

    assert "adapter-node" in str(build.not_built(manifest, front_end, "").steps)
    assert "none of out has" in build.not_built(manifest, front_end, "out").found


def test_the_starter_of_qwik_is_told_that_it_needs_an_integration(tmp_path: Path) -> None:
    front_end = frontend.find(tmp_path, QWIK)
    assert front_end is not None
    assert "npm run qwik add" in str(build.not_built(QWIK, front_end, "").steps)

    (tmp_path / "adapters/static").mkdir(parents=True)
    assert frontend.find(tmp_path, QWIK) is not None

    (tmp_path / "adapters/node-server").mkdir()
    assert frontend.find(tmp_path, QWIK) is None


@pytest.mark.parametrize(
    ("package", "files"),
    [
        (
            {"scripts": {"build": "vite build", "start": "node server.js"}, "devDependencies": {"vite": "7"}},
            {},
        ),
        ({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7", "express": "5"}}, {}),
        ({"scripts": {}, "devDependencies": {"vite": "7"}}, {}),
        ({"scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}}, {}),
        ({"scripts": {"build": "tsc"}, "dependencies": {"left-pad": "1"}}, {}),
        (
            {"scripts": {"build": "astro build"}, "dependencies": {"astro": "5"}},
            {"astro.config.mjs": "export default { output: 'server' }"},
        ),
        (REACT_ROUTER, {"react-router.config.ts": SPA.replace("ssr: false", "// ssr: false\n ssr: true")}),
        (REACT_ROUTER, {}),
        (
            {**REACT_ROUTER, "scripts": {"build": "react-router build", "start": "node server.js"}},
            {"react-router.config.ts": SPA},
        ),
    ],
)
def test_apps_with_a_server_are_no_front_ends(
    package: dict[str, Any], files: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, **{"package.json": package}, **files)

    assert frontend.find(tmp_path, Manifest.read(tmp_path)) is None


def test_the_built_folder_is_the_first_with_a_page(tmp_path: Path) -> None:
    kind = frontend.FrontEnd(name="Angular", folders=("dist/*/browser", "dist/*"), single_page=True)
    assert frontend.built_folder(tmp_path, kind) == ""

    write(tmp_path, **{"dist/shop/3rdpartylicenses.txt": "", "dist/shop/browser/index.html": ""})

    assert frontend.built_folder(tmp_path, kind) == "dist/shop/browser"


def test_settings_are_checked() -> None:
    assert settings.wants_front_end({})
    assert not settings.wants_front_end({"BP_NODE_FRONT_END": "false"})
    assert not settings.wants_pruning({"BP_NODE_PRUNE": "no"})
    with pytest.raises(Problem, match="NODE_PATH must not be set"):
        settings.refuse_forbidden({"NODE_PATH": "/x"})


def test_a_login_is_found_for_the_registry_and_for_no_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            ".npmrc": "registry=https://npm.test/team/\n//npm.test/team/:_authToken=${TOKEN}\n; //x.test/:_authToken=no\n"
        },
    )

    found = registry.npmrc(tmp_path / ".npmrc", {"TOKEN": "s3cret"})

    assert found["registry"] == "https://npm.test/team/"
    assert registry.login("https://npm.test/team", found) == {"Authorization": "Bearer s3cret"}
    assert registry.login("https://npm.test/team/sub", found) == {"Authorization": "Bearer s3cret"}
    assert registry.login("https://npm.test", found) == {}
    assert registry.login("https://x.test", found) == {}


@pytest.mark.parametrize(
    ("name", "dev", "modern", "first", "has"),
    [
        ("npm", True, False, ("npm", "ci"), "--include=dev"),
        ("npm", False, False, ("npm", "ci"), "--omit=dev"),
        ("pnpm", False, False, ("pnpm", "install"), "--prod"),
        ("yarn", True, False, ("yarn", "install"), "--production=false"),
        ("yarn", True, True, ("yarn", "install"), "--immutable"),
    ],
)
def test_every_tool_installs_what_is_locked(
    name: Any, dev: bool, modern: bool, first: tuple[str, str], has: str, tmp_path: Path
) -> None:
    pm = tool.PackageTool(name=name, version="1.0.0", bin=tmp_path, modern=modern)

    words = modules.installing(pm, Lock(tool=name, file="a lock file"), dev=dev)

    assert words[:2] == first
    assert has in words


def test_leftovers_of_compilers_and_tools_are_removed(tmp_path: Path) -> None:
    kept = ["node_modules/a/index.js", "node_modules/b/build/Release/b.node"]
    gone = [
        "node_modules/.modules.yaml",
        "node_modules/.cache/x",
        "node_modules/b/build/Makefile",
        "node_modules/b/build/b.target.mk",
        "node_modules/b/build/config.gypi",
        "node_modules/b/build/Release/obj.target/b.o",
        "node_modules/b/build/Release/.deps/b.d",
    ]
    write(tmp_path, **dict.fromkeys([*kept, *gone], ""))

    modules.tidy(tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == kept


@pytest.mark.parametrize(
    ("said", "heading", "step"),
    [
        (
            "npm error `npm ci` can only install packages when your package.json and",
            "out of date",
            "Run npm install",
        ),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", "out of date", "Run npm install"),
        ("npm error code EINTEGRITY", "not the one that was locked", ""),
        ("npm error code ERESOLVE", "that go together", ""),
        ("npm error code E401", "does not let the build in", ""),
        ("gyp ERR! build error", "could not be compiled", ""),
        ("npm error code ENOTCACHED", "not in the cache", "Build once with a network"),
        (" ERR_PNPM_NO_OFFLINE_TARBALL  A package is missing", "not in the cache", "Build once"),
        ("anything else", "could not be installed", ""),
    ],
)
def test_what_the_tools_say_is_explained(said: str, heading: str, step: str) -> None:
    problem = explain.install_failed(ToolFailed("npm ci ended with status 1", output=said), "npm")

    assert heading in str(problem)
    assert step in problem.steps[0]


def test_what_npm_says_before_a_page_of_usage_is_explained() -> None:
    said = "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync."
    failure = ToolFailed(
        "npm ci ended with status 1", output="npm error usage", log=f"{said}\nnpm error usage"
    )

    problem = explain.install_failed(failure, "npm")

    assert problem.heading == "The lock file is out of date"


def test_a_script_out_of_memory_is_told_how_to_get_more() -> None:
    failure = ToolFailed("npm run build ended", output="FATAL ERROR: JavaScript heap out of memory")

    assert "--max-old-space-size" in explain.script_failed(failure, "build", "npm").steps[0]


def test_pnpm_prunes_every_folder_of_a_workspace(tmp_path: Path) -> None:
    pnpm = tool.PackageTool(name="pnpm", version="10.34.9", bin=tmp_path)

    assert modules.pruning(pnpm)[:2] == ("pnpm", "prune")
    assert modules.pruning(pnpm, workspaces=True)[:3] == ("pnpm", "install", "--prod")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("packages:\n  - 'packages/*'\n", True), ("onlyBuiltDependencies: [sharp]\n", False)],
)
def test_settings_of_pnpm_make_no_workspace(text: str, expected: bool, tmp_path: Path) -> None:
    write(tmp_path, **{"package.json": "{}", "pnpm-workspace.yaml": text})

    assert Manifest.read(tmp_path).workspaces is expected
