"""What the Python buildpack decides: whether it is Python, which version, which tool's files count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.problem import Problem
from python import settings, versions
from python.detect import find_mark
from python.layers import uv, venv
from python.project import Project

if TYPE_CHECKING:
    from pathlib import Path

BOOKWORM = {"3.11": "3.11.2"}


def write(app: Path, **files: str) -> None:
    for name, text in files.items():
        (app / name).write_text(text)


def nothing() -> tuple[str, ...]:
    return ()


def builds() -> tuple[str, ...]:
    return ("3.14.1", "3.13.9", "3.13.8", "3.12.12", "3.11.14")


@pytest.mark.parametrize(
    ("specifier", "inside", "outside"),
    [
        (">=3.9", "3.11.2", "3.8.1"),
        (">=3.9,<3.12", "3.11.2", "3.12.0"),
        (">=3.9, <4", "3.13.1", "4.0.0"),
        ("==3.11.*", "3.11.9", "3.12.0"),
        ("==3.11", "3.11.2", "3.10.1"),
        ("3.11", "3.11.2", "3.12.0"),
        ("~=3.9", "3.11.2", "4.0.0"),
        ("~=3.11.0", "3.11.2", "3.12.0"),
        ("!=3.10.*,>=3.9", "3.11.0", "3.10.4"),
        ("!=3.11.2", "3.11.3", "3.11.2"),
        (">3.10.2", "3.10.3", "3.10.2"),
        ("<=3.11.2", "3.11.2", "3.11.3"),
        ("^3.9", "3.11.2", "4.0.0"),
        ("~3.11", "3.11.2", "3.12.0"),
        ("~3.11.1", "3.11.2", "3.12.0"),
        ("~3.10 || ~3.11", "3.11.2", "3.12.0"),
        (">=3.8.0rc1", "3.8.0", "3.7.9"),
    ],
)
def test_specifiers_mean_what_pep_440_and_poetry_say(specifier: str, inside: str, outside: str) -> None:
    accepts = versions.satisfies(specifier, "pyproject.toml")

    assert accepts(versions.numbers(inside))
    assert not accepts(versions.numbers(outside))


@pytest.mark.parametrize("text", ["latest", ">=", "3.11 or so", "pypy3.10"])
def test_a_text_that_is_no_specifier_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cannot be understood"):
        versions.satisfies(text, "pyproject.toml")


@pytest.mark.parametrize(
    ("asked", "places", "expected"),
    [
        ("", {}, ("3.11.2", False)),
        ("3.11", {".python-version": "3.12"}, ("3.11.2", False)),
        ("", {".python-version": "3.11.9"}, ("3.11.2", False)),
        ("", {"runtime.txt": "python-3.11.4"}, ("3.11.2", False)),
        ("3.11.14", {}, ("3.11.14", True)),
        ("", {".python-version": "3.13"}, ("3.13.9", True)),
        ("", {"pyproject.toml (requires-python)": ">=3.12,<3.13"}, ("3.12.12", True)),
        (
            "",
            {"pyproject.toml (requires-python)": ">=3.10", "runtime.txt": "python-3.9.1"},
            ("3.11.2", False),
        ),
    ],
)
def test_the_distributions_python_is_taken_where_it_will_do(
    asked: str, places: dict[str, str], expected: tuple[str, bool]
) -> None:
    choice = versions.choose(versions.wanted(asked, places), BOOKWORM, builds)

    assert (choice.version, choice.managed) == expected


def test_the_newest_of_several_packaged_pythons_is_taken() -> None:
    choice = versions.choose(None, {"3.9": "3.9.2", "3.13": "3.13.5", "3.11": "3.11.2"}, nothing)

    assert (choice.series, choice.version) == ("3.13", "3.13.5")


def test_a_version_nobody_has_is_answered_with_what_there_is() -> None:
    want = versions.wanted("", {"pyproject.toml (requires-python)": "<3"})

    with pytest.raises(Problem) as caught:
        versions.choose(want, BOOKWORM, builds)

    assert caught.value.found == (
        'pyproject.toml (requires-python) asks for Python "<3"; this builder\'s package sources have 3.11.2, '
        "and uv knows 3.11.14 to 3.14.1."
    )
    assert caught.value.paste is not None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["requirements.txt", "package.json"], "requirements.txt"),
        (["app.py"], "app.py"),
        (["requirments.txt"], "requirments.txt"),
        (["server.py", "package.json"], ""),
        ([".python-version", "go.mod"], ""),
        (["README.md"], ""),
    ],
)
def test_much_is_taken_for_python_unless_another_language_is_at_home(
    files: list[str], expected: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()

    assert find_mark(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('[project]\nname = "x"', "pyproject.toml"), ("[tool.ruff]\nline-length = 1", ""), ("[broken", "")],
)
def test_settings_of_a_formatter_make_no_python_app_of_another_one(
    text: str, expected: str, tmp_path: Path
) -> None:
    write(tmp_path, **{"pyproject.toml": text, "package.json": "{}"})

    assert find_mark(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "tool", "read"),
    [
        ({"uv.lock": "", "pyproject.toml": ""}, "uv", ("pyproject.toml", "uv.lock")),
        ({"poetry.lock": "", "pyproject.toml": ""}, "poetry", ("pyproject.toml", "poetry.lock")),
        ({"Pipfile.lock": "{}", "Pipfile": ""}, "pipenv", ("Pipfile", "Pipfile.lock")),
        (
            {"requirements.txt": "", "pyproject.toml": '[project]\nname="x"'},
            "requirements",
            ("requirements.txt",),
        ),
        ({"pyproject.toml": '[project]\nname="x"'}, "manifest", ("pyproject.toml",)),
        ({"setup.py": ""}, "manifest", ("setup.py",)),
        ({"app.py": ""}, "none", ()),
    ],
)
def test_one_tool_decides_the_packages(
    files: dict[str, str], tool: str, read: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, **files)

    project = Project.read(tmp_path, (), dev=False)

    assert (project.tool, project.files) == (tool, read)


def test_requirements_for_developers_are_read_outside_production(tmp_path: Path) -> None:
    write(tmp_path, **{"requirements.txt": "", "requirements-dev.txt": ""})

    assert Project.read(tmp_path, (), dev=True).files == ("requirements.txt", "requirements-dev.txt")


@pytest.mark.parametrize(
    ("files", "heading"),
    [
        ({"uv.lock": "", "poetry.lock": "", "pyproject.toml": ""}, "several lock files"),
        ({"poetry.lock": ""}, "has no pyproject.toml beside it"),
        ({"Pipfile": ""}, "No Pipfile.lock found"),
        ({"requirments.txt": ""}, "has another name"),
        ({"environment.yml": ""}, "Conda environments"),
        ({"pyproject.toml": "[broken"}, "pyproject.toml cannot be read"),
        ({"Pipfile.lock": "[]", "Pipfile": ""}, "Pipfile.lock cannot be read"),
    ],
)
def test_files_that_cannot_be_followed_are_explained(
    files: dict[str, str], heading: str, tmp_path: Path
) -> None:
    write(tmp_path, **files)

    with pytest.raises(Problem, match=heading):
        Project.read(tmp_path, (), dev=False)


def test_places_of_a_version_come_in_their_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            ".python-version": "# ours\n3.11\n",
            "runtime.txt": "python-3.10.1",
            "pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.9"',
        },
    )

    assert list(Project.read(tmp_path, (), dev=False).python.items()) == [
        (".python-version", "3.11"),
        ("pyproject.toml (requires-python)", ">=3.9"),
        ("runtime.txt", "python-3.10.1"),
    ]


def test_settings_are_checked() -> None:
    assert settings.server({"BP_PYTHON_SERVER": "Gunicorn"}) == "gunicorn"
    assert settings.app_reference({"BP_PYTHON_APP": "shop.web:create_app()"}) == "shop.web:create_app()"
    assert not settings.wants_static_files({"BP_DJANGO_COLLECTSTATIC": "false"})
    with pytest.raises(Problem, match="server is not known"):
        settings.server({"BP_PYTHON_SERVER": "apache"})
    with pytest.raises(Problem, match="cannot be understood"):
        settings.app_reference({"BP_PYTHON_APP": "app.py"})
    with pytest.raises(Problem, match="PIP_TARGET must not be set"):
        settings.refuse_forbidden({"PIP_TARGET": "/x"})


class Pages:
    """A package index that answers every question with one page."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.asked: list[str] = []

    def read(self, url: str, **_: object) -> bytes:
        self.asked.append(url)
        return self.page.encode()


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<a href="../../../files/uv-1-py3.whl#sha256=00">uv</a>', "https://mirror.test/files/uv-1-py3.whl"),
        (
            '{"files": [{"filename": "uv-1-py3.whl", "url": "https://files.test/uv-1-py3.whl"}]}',
            "https://files.test/uv-1-py3.whl",
        ),
    ],
)
def test_the_installer_is_found_on_a_mirror(page: str, expected: str) -> None:
    pages = Pages(page)

    found = uv.find_link(pages, "https://mirror.test/simple", "uv-1-py3.whl")  # type: ignore[arg-type] # its one question

    assert found == expected
    assert pages.asked == ["https://mirror.test/simple/uv/"]


def test_a_mirror_without_the_installer_is_named() -> None:
    with pytest.raises(Problem, match="has no uv"):
        uv.find_link(Pages("<html></html>"), "https://mirror.test/simple", "uv-1-py3.whl")  # type: ignore[arg-type] # its one question


def test_times_of_the_apps_files_leave_no_trace_in_an_environment(tmp_path: Path) -> None:
    """uv notes them beside the app's own package, with their digest in the list of its files."""
    for name, times in (("first", "1"), ("second", "2")):
        installed = tmp_path / name / "site-packages/shop-0.1.0.dist-info"
        installed.mkdir(parents=True)
        (installed / "uv_cache.json").write_text(times)
        (installed / "RECORD").write_text(
            f"shop.pth,sha256=x,14\nshop-0.1.0.dist-info/uv_cache.json,sha256={times},194\n"
        )

        venv.forget_traces(tmp_path / name, tmp_path / name / "site-packages")

    files = {
        str(file.relative_to(tmp_path)): file.read_text() for file in tmp_path.rglob("*") if file.is_file()
    }
    assert files == {
        f"{name}/site-packages/shop-0.1.0.dist-info/RECORD": "shop.pth,sha256=x,14\n"
        for name in ("first", "second")
    }
