"""The fixed workload: two builders made by `pack`, and the apps that both tools build with them.

`big`: one buildpack whose one cached launch layer has 20,000 files and 400 MB; an app of 300 files.
`trivial`: three buildpacks that do next to nothing.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RUN_BASE = "pybuild/run:debian-12"
BUILD_BASE = "pybuild/build:debian-12"

BIG_LAYER = """\
#!/bin/sh
set -eu
layer=$1/deps
key=$(cat dependency.txt)
if [ -f "$layer.toml" ] && grep -q "key = \\"$key\\"" "$layer.toml" && [ -d "$layer" ]; then
    echo "reusing the layer of $key"
else
    echo "making the layer of $key"
    i=0
    while [ "$i" -lt 100 ]; do
        mkdir -p "$layer/$i"
        # 200 files of 20,000 bytes. A changed key writes over them: made anew right after their removal, 20,000
        # files cost up to 0.8 ms each on an ext4 without journal, and both tools would be measured by that.
        (cd "$layer/$i" && yes "$i $key" | head -c 4000000 | split -b 20000 -a 3 - f)
        i=$((i + 1))
    done
fi
printf '[types]\\nlaunch = true\\ncache = true\\n[metadata]\\nkey = "%s"\\n' "$key" >"$layer.toml"
printf '[[processes]]\\ntype = "web"\\ncommand = ["cat", "file-0.txt"]\\ndefault = true\\n' >"$1/launch.toml"
"""

_TINY = """\
#!/bin/sh
set -eu
mkdir -p "$1/tiny"
echo content >"$1/tiny/file"
printf '[types]\\nlaunch = true\\ncache = true\\n' >"$1/tiny.toml"
printf '[[processes]]\\ntype = "web"\\ncommand = ["cat", "file-0.txt"]\\ndefault = true\\n' >"$1/launch.toml"
"""


@dataclass(frozen=True, slots=True)
class Workload:
    """Where the apps are, and the names of the two builders on the engine."""

    app: Path
    trivial_app: Path
    builder: str
    trivial_builder: str
    calmed: list[str] = field(default_factory=list)
    """Volumes with files that only keep the disk's past out of the times."""


def prepare(folder: Path, pack: str, lifecycle: Path, *, prefix: str = "pybuild-bench") -> Workload:
    """Write apps and buildpacks below `folder` and have `pack` make the builders with the Go lifecycle."""
    app, trivial = folder / "app", folder / "trivial"
    _write_app(app, 300)
    _write_app(trivial, 3)
    archive = _lifecycle_archive(folder / "lifecycle.tgz", lifecycle)
    _buildpack(folder / "big", "bench/big", BIG_LAYER)
    tiny = [f"bench/tiny-{number}" for number in (1, 2, 3)]
    for id_ in tiny:
        _buildpack(folder / id_.replace("/", "-"), id_, _TINY)
    big_builder, trivial_builder = f"{prefix}/big:1", f"{prefix}/trivial:1"
    _builder(pack, folder, big_builder, archive, {"bench/big": folder / "big"})
    _builder(pack, folder, trivial_builder, archive, {id_: folder / id_.replace("/", "-") for id_ in tiny})
    return Workload(app, trivial, big_builder, trivial_builder)


def change_app(app: Path, text: str) -> None:
    """Change one file of the app."""
    (app / "file-7.txt").write_text(text)


def change_dependency(app: Path, key: str) -> None:
    """Change what the layer is made from, so that its buildpack makes it anew."""
    (app / "dependency.txt").write_text(key)


def _write_app(folder: Path, files: int) -> None:
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"file-{number}.txt").write_text(f"{number}\n" * 200)
    (folder / "dependency.txt").write_text("1")


def _buildpack(folder: Path, id_: str, build: str) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "buildpack.toml").write_text(
        f'api = "0.10"\n[buildpack]\nid = "{id_}"\nversion = "1.0.0"\n[[targets]]\nos = "linux"\n'
    )
    for name, text in {"detect": "#!/bin/sh\nexit 0\n", "build": build}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)


def _lifecycle_archive(path: Path, programs: Path) -> Path:
    """The Go lifecycle's programs in the shape that builder.toml's `[lifecycle] uri` takes."""
    apis = '"0.7", "0.8", "0.9", "0.10", "0.11", "0.12"'
    descriptor = (
        '[lifecycle]\nversion = "0.21.17"\n'
        f"[apis.buildpack]\ndeprecated = []\nsupported = [{apis}]\n"
        f'[apis.platform]\ndeprecated = []\nsupported = [{apis}, "0.13", "0.14", "0.15"]\n'
        '[api]\nbuildpack = "0.7"\nplatform = "0.7"\n'
    ).encode()
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("lifecycle.toml")
        info.size, info.mode = len(descriptor), 0o644
        tar.addfile(info, io.BytesIO(descriptor))
        folder = tarfile.TarInfo("lifecycle")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name in ("lifecycle", "launcher"):
            tar.add(programs / name, f"lifecycle/{name}")
        for phase in (
            "analyzer",
            "detector",
            "restorer",
            "builder",
            "exporter",
            "creator",
            "extender",
            "rebaser",
        ):
            link = tarfile.TarInfo(f"lifecycle/{phase}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "lifecycle", 0o777
            tar.addfile(link)
    return path


def _builder(pack: str, folder: Path, name: str, lifecycle: Path, buildpacks: dict[str, Path]) -> None:
    lines = [
        f'[[buildpacks]]\nid = "{id_}"\nversion = "1.0.0"\nuri = "{path}"\n'
        for id_, path in buildpacks.items()
    ]
    lines.append("[[order]]\n")
    lines += [f'[[order.group]]\nid = "{id_}"\nversion = "1.0.0"\n' for id_ in buildpacks]
    lines.append(f'[build]\nimage = "{BUILD_BASE}"\n[run]\n[[run.images]]\nimage = "{RUN_BASE}"\n')
    lines.append(f'[lifecycle]\nuri = "{lifecycle}"\n')
    path = folder / f"{name.partition('/')[2].replace(':', '-')}.toml"
    path.write_text("".join(lines))
    subprocess.run(
        [pack, "builder", "create", name, "--config", str(path), "--pull-policy", "never"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
