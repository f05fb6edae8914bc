"""What the doctor says of a machine, where no engine needs to answer for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.platform import doctor

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.platform.doctor import Check

NO_ENGINE = {"DOCKER_HOST": "unix:///nope/docker.sock"}


def examined(state: Path, **environ: str) -> dict[str, Check]:
    return {check.name: check for check in doctor.examine({**NO_ENGINE, **environ}, state)}


def test_every_failure_and_warning_comes_with_a_hint(tmp_path: Path) -> None:
    for check in examined(tmp_path, PYBUILD_CA_CERTS="/no/such.pem").values():
        assert check.status == "ok" or check.hint, check


def test_without_an_engine_no_build_can_work(tmp_path: Path) -> None:
    check = examined(tmp_path)["engine"]

    assert (check.status, check.found) == ("fail", "there is no Docker Engine at unix:///nope/docker.sock")


def test_versions_are_what_a_report_needs(tmp_path: Path) -> None:
    assert examined(tmp_path)["versions"].found.startswith("pybuild ")


def test_certificates_that_cannot_be_read_fail_a_build_and_so_the_check(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")

    check = examined(tmp_path, PYBUILD_CA_CERTS=str(tmp_path / "empty.pem"))["certificates"]

    assert check.status == "fail"
    assert "empty.pem" in check.found


def test_a_proxy_is_shown_without_its_password(tmp_path: Path) -> None:
    """S-45."""
    check = examined(tmp_path, https_proxy="http://me:secret@proxy.example:3128", NO_PROXY="localhost")[
        "proxy"
    ]

    assert check.found == "builds use NO_PROXY=localhost, https_proxy=http://proxy.example:3128"


def test_a_state_folder_that_cannot_be_made_costs_only_caches(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    check = examined(file / "pybuild")["state folder"]

    assert check.status == "warn"
    assert "will not remember" in check.found


def test_a_state_folder_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert examined(tmp_path / "a" / "b")["state folder"].status == "ok"


def test_too_little_disk_fails_and_not_much_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = []
    for needed, wanted in ((0, 0), (0, 1 << 62), (1 << 62, 1 << 62)):
        monkeypatch.setattr(doctor, "DISK_NEEDED", needed)
        monkeypatch.setattr(doctor, "DISK_WANTED", wanted)
        statuses.append(examined(tmp_path)["disk here"].status)

    assert statuses == ["ok", "warn", "fail"]


@pytest.mark.docker
def test_with_an_engine_builder_and_disk_are_looked_at_too(engine: object, tmp_path: Path) -> None:
    checks = {check.name: check for check in doctor.examine(_environ(), tmp_path)}

    assert checks["engine"].status == "ok"
    assert "storage" in checks["engine"].found
    assert {"builder", "run image", "engine's disk"} <= checks.keys()


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)
