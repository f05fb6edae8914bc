"""`pybuild buildpack new` and `pybuild extension new`: a folder that works, with a test, to write on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild.errors import InvalidInput
from pybuild.gojson import Struct
from pybuild.spec import toml
from pybuild.spec.api import check_buildpack_api
from pybuild.spec.names import check_id, check_version
from pybuild.spec.target import TargetSpec

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.platform.buildpacks.modules import Kind

Language = Literal["sh", "python"]

_SH_DETECT = """\
#!/usr/bin/env bash
# Passes (0) when the app is one for this buildpack, fails (100) when it is not; anything else is an error.
set -euo pipefail

[[ -f hello.txt ]] || { echo "there is no hello.txt"; exit 100; }
"""
_SH_BUILD = """\
#!/usr/bin/env bash
# Makes layers and says how the app starts. Its folder is the app's; $CNB_LAYERS_DIR is for layers.
set -euo pipefail

echo "---> {name} buildpack"

layer="$CNB_LAYERS_DIR/hello"
mkdir -p "$layer/bin"
cp hello.txt "$layer/bin/greeting"
cat > "$layer.toml" <<'END'
[types]
launch = true
END

cat > "$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "web"
command = ["cat", "hello.txt"]
default = true
END
"""
_PY_PROGRAM = """\
#!/usr/bin/env -S python3 -I
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from pybuild.libcnb import main  # pybuild brings it along wherever the buildpack goes
from {module}.{verb} import {verb}

main.{verb}({verb})
"""
_PY_DETECT = '''\
"""Whether the app is one for this buildpack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb.plan import NotForUs, Passed

if TYPE_CHECKING:
    from pybuild.libcnb.context import DetectContext


def detect(context: DetectContext) -> Passed | NotForUs:
    """Pass when there is a hello.txt."""
    if (context.app / "hello.txt").is_file():
        return Passed()
    return NotForUs(reason="there is no hello.txt")
'''
_PY_BUILD = '''\
"""Makes layers and says how the app starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.libcnb import output
from pybuild.libcnb.launch import Built, Process
from pybuild.libcnb.layers import Empty, Types

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext


def build(context: BuildContext) -> Built:
    """A layer with the greeting, made anew only when that has changed, and a process that prints it."""
    output.heading(f"{name} buildpack {{context.version}}")
    text = (context.app / "hello.txt").read_text("utf-8")
    found = context.layers.cached_layer("hello", Types(launch=True, cache=True), key={{"text": text}})
    if isinstance(found, Empty):
        output.section(f"Layer hello is made: {{'; '.join(found.causes)}}")
        (found.layer.path / "bin").mkdir()
        (found.layer.path / "bin" / "greeting").write_text(text, "utf-8")
    else:
        output.section("Layer hello is reused")
    return Built(processes=(Process(type="web", command=("cat", "hello.txt"), default=True),))
'''
_EXPECT = """\
output = ["{name} buildpack"]

[[processes]]
type = "web"
command = ["cat", "hello.txt"]
default = true

[layers.hello]
launch = true
files = ["bin/greeting"]
"""
_REBUILD = '\n[rebuild]\noutput = ["Layer hello is reused"]\n'
_GENERATE = """\
#!/usr/bin/env bash
# Writes Dockerfiles that change the build image and the run image before the app is built.
set -euo pipefail

cat > "$CNB_OUTPUT_DIR/build.Dockerfile" <<'END'
ARG base_image
FROM ${base_image}

USER root
RUN echo "the build image has this" > /etc/hello
ARG user_id
USER ${user_id}
END
"""
_EXT_DETECT = """\
#!/usr/bin/env bash
# Passes (0) when the images are to be changed for this app; fails (100) when not.
set -euo pipefail

[[ -f hello.txt ]] || exit 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What to make. `path`: a folder that is not there yet."""

    id: str
    path: Path
    kind: Kind = "buildpack"
    api: str = "0.12"
    version: str = "1.0.0"
    lang: Language = "sh"
    targets: tuple[TargetSpec, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return self.id.rpartition("/")[2].replace("-", " ").replace("_", " ").strip(". ").title()


def make(scaffold: Scaffold) -> tuple[str, ...]:
    """Make the folder; returns its files, relative to it. Raises `InvalidInput` with nothing made."""
    check_id(scaffold.id, "the id")
    check_version(scaffold.version, "--version")
    check_buildpack_api(scaffold.api, "--api")
    if scaffold.path.exists():
        raise InvalidInput(f"directory '{scaffold.path}' exists", hint="name another one with --path")
    files = _files(scaffold)
    for name, text in files.items():
        path = scaffold.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    return tuple(files)


def _files(scaffold: Scaffold) -> dict[str, str]:
    descriptor = {f"{scaffold.kind}.toml": _descriptor(scaffold)}
    if scaffold.kind == "extension":
        return {**descriptor, "bin/detect": _EXT_DETECT, "bin/generate": _GENERATE}
    expect = _EXPECT.format(name=scaffold.name)
    tests = {
        "test/hello/app/hello.txt": "Hello\n",
        "test/hello/expect.toml": expect + (_REBUILD if scaffold.lang == "python" else ""),
        "test/other/app/other.txt": "An app that is not for this buildpack.\n",
        "test/other/expect.toml": 'detect = "fail"\noutput = ["there is no hello.txt"]\n',
    }
    if scaffold.lang == "sh":
        programs = {"bin/detect": _SH_DETECT, "bin/build": _SH_BUILD.replace("{name}", scaffold.name)}
        return {**descriptor, **programs, **tests}
    module = _module(scaffold)
    return {
        **descriptor,
        **{f"bin/{verb}": _PY_PROGRAM.format(module=module, verb=verb) for verb in ("detect", "build")},
        f"lib/{module}/__init__.py": f'"""The {scaffold.name} buildpack."""\n',
        f"lib/{module}/detect.py": _PY_DETECT,
        f"lib/{module}/build.py": _PY_BUILD.format(name=scaffold.name),
        **tests,
    }


def _module(scaffold: Scaffold) -> str:
    name = "".join(char if char.isalnum() else "_" for char in scaffold.id.rpartition("/")[2].lower())
    return f"{name}_buildpack" if name[:1].isalpha() else f"buildpack_{name}"


def _descriptor(scaffold: Scaffold) -> str:
    targets = scaffold.targets or (TargetSpec(os="linux"),)
    about = Struct(id=scaffold.id, version=scaffold.version, name=scaffold.name)
    about["description"] = f"What the {scaffold.name} {scaffold.kind} does, in one line"
    trees = [Struct({key: value for key, value in each.tree().items() if value}) for each in targets]
    document = Struct({"api": scaffold.api, scaffold.kind: about})
    if scaffold.kind == "buildpack":
        document["targets"] = trees
    return toml.dumps(document)
