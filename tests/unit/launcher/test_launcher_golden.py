"""The compiled launcher against recorded runs of the Go launcher (tests/golden/launch), on every sh at hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildpackApiUnsupported, InvalidFile
from pybuild.launcher.compile import compile_launcher
from pybuild.launcher.inputs import Broken, LauncherInputs, launch_inputs, patterns
from pybuild.spec.api import ApiVersion
from pybuild.spec.launch import Metadata
from pybuild.spec.names import escape_id
from support.golden import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.golden

SHELLS = [
    pytest.param(
        command,
        id=command.split("/")[-1],
        marks=[] if shutil.which(command.split()[0]) else [pytest.mark.skip],
    )
    for command in ("/bin/dash", "busybox sh", "/bin/bash --posix")
]
# What bash hands to every program it starts, whether as /bin/sh or for a shell process.
BASH_ADDS = {"SHLVL", "_"}


@pytest.fixture
def root() -> Iterator[Path]:
    # Not tmp_path: its parents are closed to the user that the cases run as.
    place = Path(tempfile.mkdtemp(prefix="pybuild-launch-")).resolve()
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def put(value: Any, root: Path) -> Any:
    if isinstance(value, str):
        return value.replace("@ROOT@", str(root))
    if isinstance(value, list):
        return [put(item, root) for item in value]
    if isinstance(value, dict):
        return {key: put(item, root) for key, item in value.items()}
    return value


def grow(tree: list[dict[str, Any]], root: Path) -> None:
    modes = []
    for entry in tree:
        path = root / entry["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        match entry["type"]:
            case "dir":
                path.mkdir(exist_ok=True)
                modes.append((path, int(entry["mode"], 8)))
            case "symlink":
                path.symlink_to(entry["target"])
            case _:
                path.write_bytes(entry["content"].encode("utf-8", "surrogateescape"))
                path.chmod(int(entry["mode"], 8))
    for path, mode in reversed(modes):
        path.chmod(mode)


def export(env: dict[str, str], cwd: str, *, here: bool) -> bytes:
    """The launcher that an export of this layers directory would have written.

    `here` False: as if every layer came from the previous image.
    """
    layers_dir = os.path.normpath(Path(cwd) / (env.get("CNB_LAYERS_DIR") or "/layers"))
    place = LocalBuildEnv()
    file = Path(layers_dir) / "config/metadata.toml"
    try:
        # A launcher finds a file written for its Platform API; nothing is left to convert.
        metadata = Metadata.read(file.read_bytes(), str(file))
        inputs = launch_inputs(
            metadata,
            platform_api=ApiVersion(0, 15),
            layers_dir=layers_dir,
            app_dir="/workspace",
            entries=place.scan([layers_dir])[0].entries if here else (),
            files=place.read_files(patterns(layers_dir)) if here else {},
            layers=None if here else directories(metadata, Path(layers_dir)),
        )
    except InvalidFile as error:
        inputs = LauncherInputs(broken=Broken(message=f"read metadata: {error}", exit_code=1))
    except BuildpackApiUnsupported as error:
        inputs = LauncherInputs(broken=Broken(message=f"set API for {error}", exit_code=error.exit_code))
    return compile_launcher(replace(inputs, layers_dir="/layers"))


def directories(metadata: Metadata, layers_dir: Path) -> list[tuple[str, str]]:
    return [
        (element.id, path.name)
        for element in metadata.buildpacks
        for path in layers_dir.glob(f"{escape_id(element.id)}/*/")
    ]


def first_error(text: str) -> str:
    """The first ERROR line, up to where the words of the one who found it begin."""
    found = re.search(r"^ERROR: (failed to launch: [^:]*|failed to [^:']*)", text, re.MULTILINE)
    # There is one kind of failure with a buildpack's API: one that is not there is not worded differently.
    return (
        re.sub("parse buildpack API|set API for buildpack.*", "buildpack API", found[1]).strip()
        if found
        else ""
    )


def has_layers(case: dict[str, Any]) -> bool:
    return any(entry["path"].count("/") > 2 and entry["path"].startswith("layers/") for entry in case["tree"])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", cases("launch"))
def test_the_launcher_does_what_the_recorded_one_did(case: dict[str, Any], shell: str, root: Path) -> None:
    """LCH-01 to LCH-13, ENV-01 to ENV-12 for launch, GO-68, GO-69, GO-77, GO-78."""
    check(case, shell, root, here=True)


@pytest.mark.parametrize("shell", SHELLS[:1])
@pytest.mark.parametrize("case", cases("launch", only=has_layers))
def test_layers_of_the_previous_image_count_as_all_others(
    case: dict[str, Any], shell: str, root: Path
) -> None:
    check(case, shell, root, here=False)


def check(case: dict[str, Any], shell: str, root: Path, *, here: bool) -> None:
    if case.get("host_dependent") and Path("/workspace").exists():
        pytest.skip("the recording machine had no /workspace")
    user = case["uid"] if os.geteuid() == 0 else os.geteuid()
    if user != case["uid"] and 0 in (user, case["uid"]):
        pytest.skip(f"needs to run as user {case['uid']}")
    grow(put(case["tree"], root), root)
    env, argv, cwd = put(case["env"], root), put(case["argv"], root), put(case.get("cwd", str(root)), root)
    # The kernel tells a script which path was executed, not argv[0]: a link stands for /cnb/process/<argv[0]>.
    launcher = root / "cnb" / "launcher"
    launcher.parent.mkdir()
    text = export(env, cwd, here=here).removeprefix(b"#!/bin/sh\n")
    launcher.write_bytes(
        f"#!{shutil.which(shell.split()[0])} {' '.join(shell.split()[1:])}\n".encode() + text
    )
    launcher.chmod(0o755)
    link = launcher.parent / "process" / Path(argv[0]).name
    link.parent.mkdir()
    link.symlink_to(launcher)
    if os.geteuid() == 0 and user:
        for path in (root, *root.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)

    done = subprocess.run(
        argv,
        executable=link,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        user=user if os.geteuid() == 0 else None,
        group=user if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        umask=0o022,
        timeout=120,
        check=False,
    )

    expect = put(case["expect"], root)
    shown = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert done.returncode == expect["exit_code"], shown
    assert first_error(shown) == first_error(expect["stdout"] + expect["stderr"])
    out = root / "out"
    assert (out / "argv").exists() == bool(expect.get("ran")), shown
    if not expect.get("ran") and not expect["exit_code"]:
        assert done.stdout == expect["stdout"].encode().replace(rb"\0", b"\0")
    if expect.get("ran"):
        # The script that records starts with #!/bin/sh, which the kernel puts in front.
        argv = records(out / "argv")
        if "bash" in shell and expect["argv"][0].startswith("./"):
            argv[1] = f"./{Path(argv[1]).name}"  # bash executes the absolute path
        assert argv == ["/bin/sh", *expect["argv"]]
        bash = BASH_ADDS if "bash" in shell else set()
        found = dict(record.partition("=")[::2] for record in records(out / "env"))
        assert without(found, bash) == without(expect["env"], bash)
        assert (out / "cwd").read_text() == expect["cwd"] + "\n"
    for file in expect.get("out", []):
        if "bash" not in shell:
            assert (out / file["path"].removeprefix("out/")).read_text() == file["content"]


def records(file: Path) -> list[str]:
    return file.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


def without(environ: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}
