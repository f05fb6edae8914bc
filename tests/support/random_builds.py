"""Random builds for the comparison with the Go lifecycle: buildpacks, orders, plans, layer trees, apps, environments.

A build is what hypothesis drew, written as the tree to plant below a root directory (`chroot.plant`): each buildpack's
`bin/build` writes down what it was given and copies a prepared tree, one per round, into its layers directory.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import DrawFn

UID = GID = 1000
ROUNDS = ("1", "2")
_EXEC_ENVS = st.sampled_from(['["test"]', '["production", "test"]', '["*"]', "[]"])
_PLATFORM_APIS = [f"0.{minor}" for minor in range(7, 16)]
_IDS = ["a/one", "b.two", "C-3/x", "z"]
_NAMES = [
    "a",
    "b c",
    "web",
    ".hid",
    "x.y",
    "é",
    "-dash",
    "U" * 101,
    "v" * 160,
    "new\nline",
    b"\xff\xfe",
    "q'\"$`\\",
    "*",
]
_LAYER_NAMES = ["a", "b", "deps", "x.y", "b c", "é", "-d", "L" * 90, "env", "web"]
_VARIABLES = ["PATH", "LD_LIBRARY_PATH", "CPATH", "FOO", "BAR", "BP_X", "HOME", "CNB_X", "A.B", "lower"]
_SUFFIXES = ["", ".append", ".prepend", ".default", ".override", ".delim", ".odd"]
_VALUES = ["", "v", "/x/bin", "a:b", " spaced ", "two\nlines\n", "$HOME", "é", "'\"", ":"]
_METADATA = [
    'v = "1"', "n = 5", "f = 1.5", "big = 9007199254740993", "far = 1e21", "tiny = 1e-7", "yes = true", "list = [1, 2]",
    'mixed = ["a", "é"]', "t = {b = 1, a = {c = 2}}", '"q uo.te" = "<&>\\u2028"', 'text = """\nlong\n"""', "empty = {}",
    "none = []", "when = 1979-05-27T07:32:00Z", "tables = [{x = 1}, {y = 2}]", "neg = -0.0", "hex = 0xff",
]  # fmt: skip
_MODES = [0o644, 0o755, 0o600, 0o444, 0o4755]
_FOLDER_MODES = [0o755, 0o700, 0o1777, 0o2755]
_GLOBS = [
    "*",
    "static/*",
    "*.txt",
    "a/**",
    "[a-b]*",
    "?",
    "none",
    "static",
    "a/b",
    "./a",
    "{a,b}",
    "\\*",
    "é*",
    "-*",
]
_SBOMS = {
    "cdx": "application/vnd.cyclonedx+json",
    "spdx": "application/spdx+json",
    "syft": "application/vnd.syft+json",
}

_DETECT = """\
#!/bin/sh
cp "${0%/bin/detect}/plan.toml" "$2"
exit $(cat "${0%/bin/detect}/exit")
"""
# `export -p` is sorted; what is random in it is left out. What earlier builds left is shown too, but for SBOMs (ADR 9).
_BUILD = """\
#!/bin/sh
set -e
rm -f "$1"/*.sbom.*
L=$1 B=${0%/bin/build} N=$(cat /workspace/round)
R=$(ls -AR1 "$L"; for f in "$L"/*.toml; do if [ -f "$f" ]; then echo "$f"; cat "$f"; fi; done)
E=$(export -p | grep -v -e CNB_BP_PLAN_PATH -e PWD -e ' L=' -e ' B=' -e ' N=' -e ' R=')
rm -rf "$L/seen"
mkdir "$L/seen"
printf '%s\\n' "$R" > "$L/seen/restored"
printf '%s\\n' "$E" > "$L/seen/env"
printf '[types]\\nlaunch = true\\n' > "$L/seen.toml"
if [ -e "$B/plan" ]; then cat "$3" > "$L/seen/plan"; fi
cd "$B/out$N"
for f in * .[!.]*; do
    if [ -e "$f" ] || [ -L "$f" ]; then
        rm -rf "$L/$f"
        cp -RP --preserve=mode,links "./$f" "$L/"
    fi
done
if [ -e "$B/gone$N" ]; then while read -r f; do rm -rf "$L/$f" "$L/$f.toml"; done < "$B/gone$N"; fi
exit $(cat "$B/built")
"""


@dataclass
class Build:
    """One case. `trees`: for each round the tree to plant; `flags`: of a phase, besides those that every phase gets."""

    platform_api: str
    run_image: Mapping[str, Any]
    environ: Mapping[str, str]
    flags: Mapping[str, Sequence[str]]
    trees: Sequence[Sequence[Mapping[str, Any]]] = field(default_factory=list)


class Tree:
    """A tree in the making: parents are added as they are needed, a path only once."""

    def __init__(self, owner: int = 0) -> None:
        self._owner = owner
        self.items: dict[bytes, dict[str, Any]] = {}

    def folder(self, path: bytes | str, mode: int = 0o755) -> bool:
        """A folder, unless there is something else."""
        return self._add(path, {"type": "dir", "mode": f"{mode:04o}"})

    def file(self, path: bytes | str, content: str | bytes = "", mode: int = 0o644) -> bool:
        """A file, unless there is something already."""
        raw = content.encode() if isinstance(content, str) else content
        encoded = base64.b64encode(raw).decode()
        return self._add(path, {"type": "file", "mode": f"{mode:04o}", "content_b64": encoded})

    def link(self, path: bytes | str, target: bytes | str) -> bool:
        """A symlink."""
        raw = target.encode() if isinstance(target, str) else target
        return self._add(path, {"type": "symlink", "target_b64": base64.b64encode(raw).decode()})

    def _add(self, path: bytes | str, item: dict[str, Any]) -> bool:
        raw = path.encode() if isinstance(path, str) else path
        if raw in self.items:
            return False
        parent = raw.rpartition(b"/")[0]
        if parent and not (self.items.get(parent, {"type": ""})["type"] == "dir" or self.folder(parent)):
            return False
        # What bin/build is to copy must be readable for it.
        number = UID if b"/out" in raw else self._owner
        owner = {"uid": number, "gid": number}
        self.items[raw] = {"path_b64": base64.b64encode(raw).decode(), **owner, **item}
        return True


@st.composite
def builds(draw: DrawFn) -> Build:
    """A whole case."""
    api = draw(st.sampled_from(_PLATFORM_APIS))
    ids = draw(st.lists(st.sampled_from(_IDS), min_size=1, max_size=3, unique=True))
    shared, rounds = Tree(), [Tree(UID), Tree(UID)]
    for each in ("/cnb", "/platform", "/platform/env", "/cnb/build-config/env"):
        shared.folder(each)
    shared.file("/cnb/lifecycle/launcher", "#!/bin/sh\n# stand-in\n", 0o755)
    offered: list[str] = []
    for module in ids:
        _buildpack(draw, shared, module, offered)
    known = [*ids, _composite(draw, shared, ids)] if draw(st.booleans()) else ids
    shared.file("/cnb/order.toml", _order(draw, known))
    if draw(st.booleans()):
        shared.file("/cnb/system.toml", _system(draw, ids))
    mirrors = draw(st.sampled_from(["", 'mirrors = ["mirror.example/m"]\n']))
    shared.file("/cnb/run.toml", f'[[images]]\nimage = "@RUN@"\n{mirrors}')
    shared.file("/cnb/stack.toml", f'[run-image]\nimage = "@RUN@"\n{mirrors}')
    for folder in ("/platform/env", "/cnb/build-config/env"):
        suffixes = [""] if folder == "/platform/env" else _SUFFIXES
        for name, value in draw(
            st.dictionaries(st.sampled_from(_VARIABLES), st.sampled_from(_VALUES), max_size=3)
        ).items():
            shared.file(f"{folder}/{name}{draw(st.sampled_from(suffixes))}", value)
    for number, tree in zip(ROUNDS, rounds, strict=True):
        tree.folder("/layers")
        tree.folder("/workspace")
        tree.file("/workspace/round", number)
    _content(draw, rounds[0], b"/workspace", most=6)
    rounds[1].items |= {path: item for path, item in rounds[0].items.items() if path not in rounds[1].items}
    if draw(st.booleans()):
        _content(draw, rounds[1], b"/workspace", most=2)
    exec_env = draw(st.sampled_from([None, None, "production", "test", "dev"]))
    environ = {"PATH": "/usr/bin:/bin", "CNB_STACK_ID": "io.gx"} | (
        {"CNB_EXEC_ENV": exec_env} if exec_env else {}
    )
    exporter = draw(st.sampled_from([[]] * 9 + [["-process-type", "web"]]))
    epoch = draw(st.sampled_from([None, None, "0", "1700000000", "x"]))
    return Build(
        platform_api=api,
        run_image=_run_image(draw),
        environ=environ | ({"SOURCE_DATE_EPOCH": epoch} if epoch else {}),
        flags={"exporter": exporter, "restorer": draw(st.sampled_from([[], [], [], ["-skip-layers"]]))},
        trees=[[*shared.items.values(), *tree.items.values()] for tree in rounds],
    )


def _run_image(draw: DrawFn) -> dict[str, Any]:
    labels = draw(
        st.sampled_from(
            [
                {},
                {"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12"},
                {"io.buildpacks.stack.id": "io.gx", "x": "<&>"},
                {"io.buildpacks.rebasable": "true"},
            ]
        )
    )
    config = {"Env": draw(st.sampled_from([["PATH=/usr/bin"], ["A=b"], ["PATH=", "Z=1"]])), "User": "1002"}
    history = draw(st.sampled_from([None, [{"created": "2020-01-01T00:00:00Z", "created_by": "FROM x"}]]))
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2021-01-01T00:00:00Z",
        "config": config | ({"Labels": labels} if labels else {}),
        **({"history": history} if history else {}),
    }


def _order(draw: DrawFn, ids: Sequence[str]) -> str:
    """One or two groups, of which the last has all modules."""
    lines: list[str] = []
    first = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))
    for group in [first, list(ids)][draw(st.integers(0, 1)) :]:
        lines.append("[[order]]")
        for module in group:
            lines += _reference(draw, "order.group", module)
    return "\n".join(lines) + "\n"


def _reference(draw: DrawFn, table: str, module: str) -> list[str]:
    optional = ["optional = true"] if draw(st.integers(0, 3)) == 0 else []
    return [f"[[{table}]]", f'id = "{module}"', 'version = "1.0.0"', *optional]


def _composite(draw: DrawFn, tree: Tree, ids: Sequence[str]) -> str:
    """A buildpack that is an order; its id."""
    text = f'api = "0.10"\n[buildpack]\nid = "meta/m"\nversion = "1.0.0"\n{_order(draw, ids)}'
    tree.file("/cnb/buildpacks/meta_m/1.0.0/buildpack.toml", text)
    return "meta/m"


def _system(draw: DrawFn, ids: Sequence[str]) -> str:
    where = draw(st.sampled_from(["pre", "post"]))
    return "\n".join(_reference(draw, f"system.{where}.buildpacks", draw(st.sampled_from(ids)))) + "\n"


def _buildpack(draw: DrawFn, tree: Tree, module: str, offered: list[str]) -> None:
    folder = f"/cnb/buildpacks/{module.replace('/', '_')}/1.0.0"
    minor = draw(st.integers(7, 12))
    formats = draw(st.lists(st.sampled_from([*_SBOMS]), unique=True))
    tree.file(f"{folder}/buildpack.toml", _descriptor(draw, module, minor, formats))
    tree.file(f"{folder}/bin/detect", _DETECT, 0o755)
    tree.file(f"{folder}/bin/build", _BUILD, 0o755)
    tree.file(f"{folder}/exit", draw(st.sampled_from(["0"] * 30 + ["100", "1"])))
    tree.file(f"{folder}/built", draw(st.sampled_from(["0"] * 60 + ["3"])))
    plan, names = _plan(draw, offered)
    tree.file(f"{folder}/plan.toml", plan)
    if len(names) < 2:
        tree.file(f"{folder}/plan")
    first = _layers(draw, tree, f"{folder}/out1", minor, formats, names)
    again = draw(st.booleans())
    _layers(draw, tree, f"{folder}/out2", minor, formats, names, without=first if again else ())
    if first and draw(st.booleans()):
        tree.file(f"{folder}/gone2", draw(st.sampled_from(first)) + "\n")


def _descriptor(draw: DrawFn, module: str, minor: int, formats: Sequence[str]) -> str:
    lines = [f'api = "0.{minor}"', "[buildpack]", f'id = "{module}"', 'version = "1.0.0"', 'name = "N"']
    if draw(st.booleans()):
        lines.append('homepage = "https://example.com/?a&b"')
    if draw(st.integers(0, 3)) == 0:
        lines.append("clear-env = true")
    if formats:
        lines.append(f"sbom-formats = {[_SBOMS[each] for each in formats]!r}".replace("'", '"'))
    if draw(st.integers(0, 5)) == 0:
        lines.append(f"exec-env = {draw(_EXEC_ENVS)}")
    lines += draw(
        st.sampled_from(
            [
                ["[[stacks]]", 'id = "*"'],
                ["[[stacks]]", 'id = "io.gx"'],
                ["[[targets]]", 'os = "linux"'],
                ["[[targets]]", 'os = "linux"', "[[targets.distros]]", 'name = "debian"', 'version = "12"'],
                ["[[targets]]", 'arch = "arm64"'],
                [],
            ]
        )
    )
    return "\n".join(lines) + "\n"


def _plan(draw: DrawFn, offered: list[str]) -> tuple[str, set[str]]:
    """A build plan, and the names that it offers; they join those that later buildpacks may ask for."""
    lines: list[str] = []
    mine: set[str] = set()
    for option in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        prefix = "or." if option else ""
        if option:
            lines.append("[[or]]")
        for name in draw(st.lists(st.sampled_from(["n1", "n2", "n 3"]), max_size=2, unique=True)):
            lines += [f"[[{prefix}provides]]", f'name = "{name}"']
            mine.add(name)
            if draw(st.integers(0, 3)):
                lines += _require(draw, prefix, name)
        if offered and draw(st.booleans()):
            lines += _require(draw, prefix, draw(st.sampled_from(offered)))
    offered += sorted(mine)
    return "\n".join(lines) + "\n", mine


def _require(draw: DrawFn, prefix: str, name: str) -> list[str]:
    found = [f"[[{prefix}requires]]", f'name = "{name}"']
    if draw(st.booleans()):
        found += [f"[{prefix}requires.metadata]", *_metadata(draw)]
    return found


def _metadata(draw: DrawFn) -> list[str]:
    return draw(st.lists(st.sampled_from(_METADATA), max_size=4, unique=True))


def _layers(
    draw: DrawFn,
    tree: Tree,
    folder: str,
    minor: int,
    formats: Sequence[str],
    plan: set[str],
    *,
    without: Sequence[str] = (),
) -> list[str]:
    """What bin/build is to leave. Layers in `without` get their file only: what was restored stays."""
    tree.folder(folder)
    names = draw(st.lists(st.sampled_from(_LAYER_NAMES), max_size=3, unique=True))
    for name in dict.fromkeys([*names, *without]):
        types = [each for each in ("launch", "build", "cache") if draw(st.booleans())]
        lines = ["[types]", *(f"{each} = true" for each in types)]
        if draw(st.booleans()):
            lines += ["[metadata]", *_metadata(draw)]
        filled = name not in without and draw(st.integers(0, 7)) > 0
        if not filled and name not in without:
            # Such a layer is refused by the exporter, which is not to happen too often.
            lines = [line for line in lines if line != "cache = true" or draw(st.integers(0, 3)) == 0]
        if draw(st.integers(0, 11)):
            tree.file(f"{folder}/{name}.toml", "\n".join(lines) + "\n")
        if filled:
            _layer(draw, tree, f"{folder}/{name}")
    for name in ("launch", "build", *names):
        # The Go lifecycle takes the part before the first dot for the layer's name (ADR 9).
        if "." not in name and formats and draw(st.integers(0, 3)) == 0:
            tree.file(f"{folder}/{name}.sbom.{draw(st.sampled_from(formats))}.json", f'{{"of": "{name}"}}')
    if draw(st.integers(0, 3)):
        tree.file(f"{folder}/launch.toml", _launch(draw, minor))
    if draw(st.booleans()):
        tree.file(f"{folder}/store.toml", "\n".join(["[metadata]", *_metadata(draw)]) + "\n")
    if plan and draw(st.integers(0, 3)) == 0:
        tree.file(f"{folder}/build.toml", f'[[unmet]]\nname = "{draw(st.sampled_from(sorted(plan)))}"\n')
    return names


def _layer(draw: DrawFn, tree: Tree, folder: str) -> None:
    tree.folder(folder, draw(st.sampled_from([0o755, 0o755, 0o700, 0o775])))
    # The Go lifecycle restores cached layers without such bits (ADR 9).
    _content(draw, tree, folder.encode(), most=4, special=False)
    for each in draw(
        st.lists(st.sampled_from(["bin", "lib", "include", "pkgconfig", "exec.d", "profile.d"]), max_size=2)
    ):
        tree.file(f"{folder}/{each}/x", "#!/bin/sh\n", 0o755)
    for each in draw(
        st.lists(st.sampled_from(["env", "env.build", "env.launch", "env.launch/web"]), max_size=2)
    ):
        name, suffix = draw(st.sampled_from(_VARIABLES)), draw(st.sampled_from(_SUFFIXES))
        tree.file(f"{folder}/{each}/{name}{suffix}", draw(st.sampled_from(_VALUES)))


def _launch(draw: DrawFn, minor: int) -> str:
    lines: list[str] = []
    types = draw(st.lists(st.sampled_from(["web", "task", "w.o_r-k"]), max_size=2, unique=True))
    default = draw(st.sampled_from([*types, None, None]))
    for each in types:
        lines += ["[[processes]]", f'type = "{each}"']
        words = draw(st.sampled_from([["bash", "-c"], ["x"], ["a b", "<&>"]]))
        lines.append(
            f"command = {words!r}".replace("'", '"') if minor >= 9 else f'command = "{" ".join(words)}"'
        )
        if draw(st.booleans()):
            lines.append('args = ["a", "é <&>"]')
        if minor < 9 and draw(st.booleans()):
            lines.append(f"direct = {draw(st.sampled_from(['true', 'false']))}")
        if draw(st.integers(0, 3)) == 0:
            lines.append('working-dir = "/w"')
        if each == default:
            lines.append("default = true")
        if draw(st.integers(0, 5)) == 0:
            lines.append(f"exec-env = {draw(_EXEC_ENVS)}")
    for key in draw(st.lists(st.sampled_from(["k", "io.x", "n/a b"]), max_size=2, unique=True)):
        lines += ["[[labels]]", f'key = "{key}"', f'value = "{draw(st.sampled_from(["v", "<é>", ""]))}"']
    for globs in draw(st.lists(st.lists(st.sampled_from(_GLOBS), max_size=2), max_size=2)):
        quoted = ", ".join(f"'{glob}'" for glob in globs)
        lines += ["[[slices]]", f"paths = [{quoted}]"]
    return "\n".join(lines) + "\n"


def _content(draw: DrawFn, tree: Tree, folder: bytes, *, most: int, special: bool = True) -> None:
    """Some files, folders and symlinks, not deep. `special`: with setuid, setgid and sticky bits."""
    places = [folder]
    for _ in range(draw(st.integers(0, most))):
        drawn = draw(st.sampled_from([*_NAMES, "static", "f.txt"]))
        path = draw(st.sampled_from(places)) + b"/" + (drawn if isinstance(drawn, bytes) else drawn.encode())
        kind = draw(st.sampled_from(["file", "file", "folder", "link"]))
        if kind == "folder":
            if tree.folder(path, draw(st.sampled_from(_FOLDER_MODES if special else _FOLDER_MODES[:2]))):
                places.append(path)
        elif kind == "link":
            tree.link(path, draw(st.sampled_from(["a", "../x", "/abs/é", "t" * 120, b"\xff"])))
        else:
            mode = draw(st.sampled_from(_MODES if special else _MODES[:-1]))
            tree.file(path, draw(st.sampled_from(["", "x", "some text\n" * 60])), mode)
