"""Detection with real programs on this machine: who runs with what, who passes, and the trail of who does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuilderUnusable, DetectError, DetectionFailed, NothingDetected
from pybuild.lifecycle.detect import Detected, DetectInputs, detect
from pybuild.lifecycle.detect_trail import GroupTrail
from pybuild.spec.api import ApiVersion
from pybuild.spec.environ import Given, read_env_dir
from pybuild.spec.order import ModuleRef, OrderFile, System
from pybuild.spec.target import Distro, Target
from support.buildpacks import FAIL, PASS, PATH, Folders, plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pybuild.buildenv.api import Command, Completed

DEBIAN = Target(os="linux", arch="amd64", distro=Distro(name="debian", version="12"))
ENVIRON = "env | sort > ../seen; exit 0"


class CountingEnv(LocalBuildEnv):
    """This machine, with a count of the programs that were started together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def run_all(self, commands: Sequence[Command]) -> list[Completed]:
        self.batches.append(len(commands))
        return super().run_all(commands)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def inputs(folders: Folders, *groups: tuple[ModuleRef, ...], **changes: Any) -> DetectInputs:
    """Inputs for these groups; `changes` of the order's extensions, of `Given` and of `DetectInputs`."""
    order = OrderFile(order=groups, order_extensions=changes.pop("order_extensions", ()))
    given = Given(
        platform_dir=str(folders.platform),
        user=changes.pop("user", {}),
        operator=changes.pop("operator", ()),
        target={},
        exec_env=changes.pop("exec_env", "production"),
    )
    found = DetectInputs(
        order=order,
        platform_api=ApiVersion(0, 15),
        target=DEBIAN,
        given=given,
        environ={"PATH": PATH, "HOME": "/home/me", "SECRET": "not for buildpacks"},
        app_dir=str(folders.app),
        buildpacks_dir=str(folders.buildpacks),
        extensions_dir=str(folders.extensions),
        tmp_dir=str(folders.tmp),
    )
    return replace(found, **changes)


def run(folders: Folders, *groups: tuple[ModuleRef, ...], **changes: Any) -> Detected:
    return detect(LocalBuildEnv(), inputs(folders, *groups, **changes))


def ids(detected: Detected) -> list[str]:
    return [f"{element.id}@{element.version}" for element in detected.group.buildpacks]


def trail(error: NothingDetected) -> list[GroupTrail]:
    return [group for group in error.trail if isinstance(group, GroupTrail)]


def seen(folders: Folders) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folders.root / "seen").read_text().splitlines())


def test_the_first_group_that_passes_wins(folders: Folders) -> None:
    """DET-25, DET-40"""
    a, b, c = folders.buildpack("a", detect=FAIL), folders.buildpack("b"), folders.buildpack("c")

    detected = run(folders, (a,), (b,), (c,))

    assert ids(detected) == ["b@1"]
    assert [group.passed for group in detected.trail] == [False, True]


def test_an_optional_buildpack_that_fails_is_left_out(folders: Folders) -> None:
    """DET-28"""
    go = folders.buildpack("acme/go")
    proxy = folders.buildpack("acme/proxy", detect=FAIL, optional=True)

    assert ids(run(folders, (go, proxy))) == ["acme/go@1"]


def test_the_plan_names_providers_and_requirements(folders: Folders) -> None:
    """DET-36"""
    a = folders.buildpack("a", detect=plan(provides=["php"], requires=["php"]))
    b = folders.buildpack("b", detect=plan(requires=["php"]))

    entry = run(folders, (a, b)).plan.entries[0]

    assert [provider.id for provider in entry.providers] == ["a"]
    assert [require.name for require in entry.requires] == ["php", "php"]


def test_a_module_is_asked_once_and_a_group_at_the_same_time(folders: Folders) -> None:
    """DET-09, GO-63"""
    a, b, c = folders.buildpack("a"), folders.buildpack("b", detect=FAIL), folders.buildpack("c")
    env = CountingEnv()

    detect(env, inputs(folders, (a, b), (a, b, c), (a, c)))

    assert env.batches == [2, 1]


def test_a_buildpack_sees_its_variables_and_no_others(folders: Folders) -> None:
    """DET-02, DET-03, GO-67"""
    a = folders.buildpack("acme/a", api="0.12", detect=ENVIRON)

    run(folders, (a,), user={"BP_X": "1"}, target=replace(DEBIAN, variant="v8"))

    found = seen(folders)
    assert found.pop("CNB_BUILD_PLAN_PATH").startswith(f"{folders.tmp}/plan.")
    assert {name: value for name, value in found.items() if name not in ("PWD", "SHLVL", "_")} == {
        "BP_X": "1",
        "CNB_BUILDPACK_DIR": str(folders.buildpacks / "acme_a" / "1"),
        "CNB_EXEC_ENV": "production",
        "CNB_PLATFORM_DIR": str(folders.platform),
        "CNB_TARGET_ARCH": "amd64",
        "CNB_TARGET_ARCH_VARIANT": "v8",
        "CNB_TARGET_DISTRO_NAME": "debian",
        "CNB_TARGET_DISTRO_VERSION": "12",
        "CNB_TARGET_OS": "linux",
        "HOME": "/home/me",
        "PATH": PATH,
    }


def test_a_buildpack_that_clears_its_environment_gets_no_user_variables(folders: Folders) -> None:
    """DET-07, ENV-22, ENV-23"""
    a = folders.buildpack("a", detect=ENVIRON, about="clear-env = true\n")
    operator = read_env_dir({"OPERATOR": b"yes"}, where="env", plain="default")

    run(folders, (a,), user={"BP_X": "1"}, operator=operator)

    assert "BP_X" not in seen(folders)
    assert seen(folders)["OPERATOR"] == "yes"


def test_an_extension_is_told_its_own_folder(folders: Folders) -> None:
    """DET-02"""
    e = folders.extension("e", detect=ENVIRON)

    run(folders, (folders.buildpack("a"),), order_extensions=((e,),))

    assert seen(folders)["CNB_EXTENSION_DIR"] == str(folders.extensions / "e" / "1")
    assert "CNB_BUILDPACK_DIR" not in seen(folders)


def test_an_extension_without_detect_offers_what_its_folder_holds(folders: Folders) -> None:
    """DET-08"""
    files = {"detect/plan.toml": '[[provides]]\nname = "tool"\n'}
    e = folders.extension("e", detect=None, files=files)
    a = folders.buildpack("a", detect=plan(requires=["tool"]))

    detected = run(folders, (a,), order_extensions=((e,),))

    assert [element.id for element in detected.group.extensions] == ["e"]
    assert detected.plan.entries[0].providers[0].extension


def test_an_extension_that_requires_is_an_error_of_its_own(folders: Folders) -> None:
    """DET-37, EXT-05"""
    e = folders.extension("e", detect=plan(requires=["x"]))

    detected = run(folders, (folders.buildpack("a"),), order_extensions=((e,),))

    assert detected.group.extensions == ()
    assert detected.trail[-1].members[0].verdict == "errored"
    assert "may provide but not require" in detected.trail[-1].members[0].reason


def test_nothing_detected_tells_who_failed_and_how(folders: Folders) -> None:
    """DET-26, DET-41"""
    a = folders.buildpack("a", detect="echo looking; echo no go.mod found; exit 100")
    b = folders.buildpack("b", detect=plan(requires=["node"]))

    with pytest.raises(NothingDetected) as caught:
        run(folders, (a, b), (b,))

    assert type(caught.value) is NothingDetected
    first, second = trail(caught.value)
    assert [(member.id, member.verdict, member.last_line) for member in first.members] == [
        ("a", "failed", "no go.mod found"),
        ("b", "passed", ""),
    ]
    assert [str(unmet) for unmet in second.unmet] == ["fail: b@1 requires node"]


def test_an_error_in_a_required_buildpack_is_told_apart(folders: Folders) -> None:
    """DET-41"""
    a = folders.buildpack("a", detect="echo crashed >&2; exit 3")

    with pytest.raises(DetectionFailed) as caught:
        run(folders, (a,))

    member = trail(caught.value)[0].members[0]
    assert (member.verdict, member.status, member.last_line) == ("errored", 3, "crashed")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "cannot start"),
        ("kill -9 $$", ""),
        ("echo '[[provides]' > $2", "build plan of a@1"),
        ('printf \'[[requires]]\\nname="x"\\nversion="1"\\n\' > $2', "version"),
        ("rm $2; ln -s /etc/passwd $2", "no regular file"),
        ("head -c 2000000 /dev/zero > $2", "too large"),
    ],
)
def test_a_detect_that_breaks_is_an_error_with_a_reason(
    folders: Folders, script: str | None, reason: str
) -> None:
    """DET-05, DET-06, GO-65, S-29"""
    a = folders.buildpack("a", detect=script)

    with pytest.raises(DetectionFailed) as caught:
        run(folders, (a,))

    member = trail(caught.value)[0].members[0]
    assert member.verdict == "errored"
    assert reason in member.reason


def test_the_errors_of_an_optional_composite_do_not_count(folders: Folders) -> None:
    """DET-41"""
    folders.buildpack("a", detect="exit 1")
    folders.buildpack("m", order=[[ModuleRef(id="a", version="1")]])

    with pytest.raises(NothingDetected) as caught:
        run(folders, (ModuleRef(id="m", version="1", optional=True),))

    assert type(caught.value) is NothingDetected


def test_a_group_of_nothing_but_extensions_fails(folders: Folders) -> None:
    """DET-27"""
    e = folders.extension("e")
    a = folders.buildpack("a", detect=FAIL, optional=True)

    with pytest.raises(NothingDetected):
        run(folders, (a,), order_extensions=((e,),))


class TestTargets:
    """DET-10, GO-60"""

    WINDOWS = '[[targets]]\nos = "windows"\n'

    def test_a_required_buildpack_for_another_system_is_an_error(self, folders: Folders) -> None:
        """DET-10."""
        a = folders.buildpack("a", more=self.WINDOWS)

        with pytest.raises(DetectionFailed) as caught:
            run(folders, (a,))

        reason = trail(caught.value)[0].members[0].reason
        assert reason.endswith("run image: linux amd64 debian 12, buildpack: windows")

    def test_an_optional_one_may_try(self, folders: Folders) -> None:
        a = folders.buildpack("a", more=self.WINDOWS, optional=True)

        assert ids(run(folders, (a,))) == ["a@1"]

    def test_before_platform_api_0_12_nobody_looks(self, folders: Folders) -> None:
        a = folders.buildpack("a", more=self.WINDOWS)

        assert ids(run(folders, (a,), platform_api=ApiVersion(0, 11))) == ["a@1"]

    def test_an_unknown_distribution_is_that_of_the_build_environment(self, folders: Folders) -> None:
        """GO-60"""
        detected = run(folders, (folders.buildpack("a"),), target=Target(os="linux", arch="amd64"))

        assert detected.given.target["CNB_TARGET_OS"] == "linux"
        assert set(detected.given.target) >= {"CNB_TARGET_DISTRO_NAME"}


class TestExecEnv:
    """DET-11, GO-61"""

    FOR_TESTS = 'exec-env = ["test"]\n'

    def test_a_buildpack_for_another_execution_environment_is_skipped(self, folders: Folders) -> None:
        a = folders.buildpack("a", api="0.12", about=self.FOR_TESTS)
        b = folders.buildpack("b")

        detected = run(folders, (a, b))

        assert ids(detected) == ["b@1"]
        skipped = detected.trail[0].members[-1]
        assert (skipped.id, skipped.verdict, skipped.reason) == (
            "a",
            "skipped",
            "it is for test, and this is production",
        )

    @pytest.mark.parametrize(
        ("api", "platform", "exec_env"), [("0.11", 15, "x"), ("0.12", 14, "x"), ("0.12", 15, "test")]
    )
    def test_it_runs_where_that_does_not_count(
        self, folders: Folders, api: str, platform: int, exec_env: str
    ) -> None:
        a = folders.buildpack("a", api=api, about=self.FOR_TESTS)

        detected = run(folders, (a,), platform_api=ApiVersion(0, platform), exec_env=exec_env)

        assert ids(detected) == ["a@1"]


class TestSystem:
    """DET-12"""

    def test_system_buildpacks_surround_the_group(self, folders: Folders) -> None:
        a, pre, post = (folders.buildpack(name) for name in ("a", "pre", "post"))

        assert ids(run(folders, (a,), system=System(pre=(pre,), post=(post,)))) == ["pre@1", "a@1", "post@1"]

    def test_not_before_platform_api_0_15(self, folders: Folders) -> None:
        a, pre = folders.buildpack("a"), folders.buildpack("pre")

        assert ids(run(folders, (a,), system=System(pre=(pre,)), platform_api=ApiVersion(0, 14))) == ["a@1"]


class TestWhatIsTold:
    def told(self, folders: Folders, *groups: tuple[ModuleRef, ...]) -> list[str]:
        found: list[str] = []

        def listen(event: events.Event) -> None:
            if isinstance(event, events.Info):
                found.append(event.text)
            if isinstance(event, events.Output):
                found.append(event.data.decode())

        with events.listening(listen):
            try:
                run(folders, *groups)
            except NothingDetected:
                found.append("nothing")
        return found

    def test_of_success_only_who_takes_part(self, folders: Folders) -> None:
        a = folders.buildpack("acme/long", detect="echo noise")
        b = folders.buildpack("b", "2", detect=FAIL, optional=True)
        c = folders.buildpack("c", "3")

        assert self.told(folders, (a, b, c)) == [
            "2 of 3 buildpacks participating",
            "acme/long 1",
            "c         3",
        ]

    def test_of_failure_everything(self, folders: Folders) -> None:
        a = folders.buildpack("a", detect="echo why; exit 100")

        assert self.told(folders, (a,)) == [
            "======== Output: a@1 ========",
            "why\n",
            "======== Results ========",
            "fail: a@1",
            "nothing",
        ]


def test_a_module_that_the_order_names_must_exist(folders: Folders) -> None:
    """GO-13"""
    with pytest.raises(BuilderUnusable, match="ghost@1"):
        run(folders, (folders.buildpack("a"),), (ModuleRef(id="ghost", version="1"),))


def test_a_module_that_a_composite_names_is_a_detect_error(folders: Folders) -> None:
    """GO-13"""
    m = folders.buildpack("m", order=[[ModuleRef(id="ghost", version="1")]])

    with pytest.raises(DetectError, match="ghost@1"):
        run(folders, (m,))


def test_plan_files_are_removed(folders: Folders) -> None:
    run(folders, (folders.buildpack("a", detect=PASS),))

    assert list(folders.tmp.iterdir()) == []
