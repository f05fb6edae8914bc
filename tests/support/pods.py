"""The steps of a Tekton Task or of a pod, run one after the other as containers of the Docker Engine.

What Kubernetes would give each step it gets here, and nothing else: its user, its rights, its variables, and its
mounts of volumes that start as `emptyDir`s do, with the pod's group. The network is the machine's, in the place of
the cluster's.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

RESULTS = "/tekton/results"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a step ended."""

    step: str
    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume in a step."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One container. `script`: text in the place of a command."""

    name: str
    image: str
    command: Sequence[str]
    args: Sequence[str]
    script: str
    environ: Mapping[str, str]
    mounts: Sequence[Mount]
    user: str
    options: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """Steps and their volumes. `helper`: an image with sh, for what the kubelet does."""

    steps: Sequence[Step]
    volumes: Sequence[str]
    group: int
    prefix: str
    helper: str
    made: list[str] = field(default_factory=list)

    def create(self) -> None:
        """The volumes that are not there yet, empty, writable for everybody, the group the pod's."""
        for volume in self.volumes:
            name = self.volume(volume)
            if name not in self.made:
                _docker("volume", "create", name)
                self.made.append(name)
                self.inside(volume, f"chown 0:{self.group} /v && chmod 2777 /v")

    def volume(self, name: str) -> str:
        """The engine's name of a volume."""
        return f"{self.prefix}-{name}"

    def inside(self, volume: str, script: str) -> str:
        """Do something to a volume as root: what a secret, a claim or an attacker has put there."""
        words = (
            "-v",
            f"{self.volume(volume)}:/v",
            "--entrypoint",
            "sh",
            "-u",
            "0:0",
            self.helper,
            "-c",
            script,
        )
        return _docker("run", "--rm", "--network", "none", *words)

    def put(self, volume: str, name: str, content: str, *, mode: str = "0644") -> None:
        """A file in a volume, of root and the pod's group."""
        quoted = content.replace("'", "'\\''")
        self.inside(
            volume,
            f"printf %s '{quoted}' > /v/{name} && chown 0:{self.group} /v/{name} && chmod {mode} /v/{name}",
        )

    def run(self, *names: str) -> list[Ended]:
        """Run the steps of these names, or all, up to the first that fails."""
        ended = []
        for step in (one for one in self.steps if not names or one.name in names):
            ended.append(self._run(step))
            if ended[-1].exit_code:
                break
        return ended

    def remove(self) -> None:
        """Remove the volumes."""
        for name in self.made:
            _docker("volume", "rm", "-f", name)

    def _run(self, step: Step) -> Ended:
        words = ["run", "--rm", "--network", "host", "--user", step.user, "--group-add", str(self.group)]
        words += step.options
        for name, value in step.environ.items():
            words += ["--env", f"{name}={value}"]
        # An emptyDir stays empty, whatever the image has in that place.
        for mount in step.mounts:
            words += ["--volume", f"{self.volume(mount.volume)}:{mount.path}:nocopy{',ro' * mount.read_only}"]
        command = [*step.command, *step.args]
        if step.script:
            command = ["sh", "-c", step.script, step.name, *step.args]
        if command:
            words += ["--entrypoint", command[0], step.image, *command[1:]]
        else:
            words.append(step.image)
        done = subprocess.run(("docker", *words), capture_output=True, text=True, timeout=300, check=False)
        return Ended(step=step.name, exit_code=done.returncode, output=done.stdout + done.stderr)


def task(file: Path, run: Path, *, params: Mapping[str, str | list[str]], prefix: str, helper: str) -> Pod:
    """The pod of a Task and a TaskRun of it. `params`: in the place of the run's."""
    spec, ran = yaml.safe_load(file.read_text())["spec"], yaml.safe_load(run.read_text())["spec"]
    given: dict[str, Any] = {one["name"]: one["default"] for one in spec["params"] if "default" in one}
    given |= {one["name"]: one["value"] for one in ran["params"]} | dict(params)
    assert given.keys() == {one["name"] for one in spec["params"]}
    values = {f"params.{name}": value for name, value in given.items()}
    values |= {f"results.{one['name']}.path": f"{RESULTS}/{one['name']}" for one in spec["results"]}
    template = spec["stepTemplate"]
    steps = [_step(one, template, values) for one in spec["steps"]]
    shared = [Mount(volume=one["name"], path=one["mountPath"]) for one in spec["workspaces"]]
    # Tekton gives every step the workspaces and the folder of results.
    shared.append(Mount(volume="results", path=RESULTS))
    steps = [_with(step, shared) for step in steps]
    volumes = [one["name"] for one in (*spec["volumes"], *spec["workspaces"])]
    return Pod(
        steps=steps,
        volumes=[*volumes, "results"],
        group=ran["podTemplate"]["securityContext"]["fsGroup"],
        prefix=prefix,
        helper=helper,
    )


def pod(file: Path, *, images: Mapping[str, str], prefix: str, helper: str) -> Pod:
    """A pod out of its manifest. `images`: other names in the place of those that the file says."""
    text = file.read_text()
    for name, other in images.items():
        text = re.sub(rf"{re.escape(name)}(?=[\s\"]|$)", other, text)
    spec = yaml.safe_load(text)["spec"]
    template = {"securityContext": {**spec["securityContext"]}}
    return Pod(
        steps=[_step(one, template, {}) for one in spec["initContainers"]],
        volumes=[one["name"] for one in spec["volumes"]],
        group=spec["securityContext"]["fsGroup"],
        prefix=prefix,
        helper=helper,
    )


def _step(one: Mapping[str, Any], template: Mapping[str, Any], values: Mapping[str, Any]) -> Step:
    context = {**template.get("securityContext", {}), **one.get("securityContext", {})}
    assert context["runAsNonRoot"] is True
    environ = {each["name"]: each["value"] for each in (*template.get("env", ()), *one.get("env", ()))}
    options = [f"--cap-drop={each}" for each in context.get("capabilities", {}).get("drop", ())]
    if context.get("allowPrivilegeEscalation") is False:
        options.append("--security-opt=no-new-privileges")
    return Step(
        name=one["name"],
        image=_words([one["image"]], values)[0],
        command=_words(one.get("command", ()), values),
        args=_words(one.get("args", ()), values),
        script="".join(_words([one["script"]], values)) if "script" in one else "",
        environ=environ,
        mounts=[
            Mount(volume=each["name"], path=each["mountPath"], read_only=each.get("readOnly", False))
            for each in one.get("volumeMounts", ())
        ],
        user=f"{context['runAsUser']}:{context['runAsGroup']}",
        options=options,
    )


def _with(step: Step, mounts: Sequence[Mount]) -> Step:
    return Step(
        **{
            **{name: getattr(step, name) for name in Step.__dataclass_fields__},
            "mounts": [*step.mounts, *mounts],
        }
    )


def _words(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """`words` with variables in; a word that is a whole array becomes its elements."""
    made: list[str] = []
    for word in words:
        whole = re.fullmatch(r"\$\((params\.\w+)\[\*\]\)", word)
        if whole:
            made += values[whole[1]]
        else:
            made.append(re.sub(r"\$\(([a-z]+\.\w+(?:\.path)?)\)", lambda found: values[found[1]], word))
    return made


def _docker(*words: str) -> str:
    done = subprocess.run(("docker", *words), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, json.dumps(words) + done.stdout + done.stderr
    return done.stdout
