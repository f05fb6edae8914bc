"""What starts a Python app, found in its source; the processes that come of it; what its packages say about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.problem import Problem
from python import bill, django, processes, web
from python.project import Manifest

if TYPE_CHECKING:
    from pathlib import Path

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FASTAPI = "import fastapi as f\napi = f.FastAPI()\n"


def write(app: Path, **files: str) -> None:
    for name, text in files.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)


def find(
    app: Path, reference: str = "", manifest: Manifest | None = None
) -> tuple[str, str, str, bool] | None:
    entry = web.find(app, manifest or Manifest(), reference)
    return (entry.kind, entry.target, entry.folder, entry.factory) if entry else None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app.py": FLASK}, ("wsgi", "app:app", "", False)),
        ({"main.py": FASTAPI}, ("asgi", "main:api", "", False)),
        (
            {"app/main.py": "from fastapi import FastAPI\napp: FastAPI = FastAPI()"},
            ("asgi", "app.main:app", "", False),
        ),
        ({"shop/__init__.py": FLASK}, ("wsgi", "shop:app", "", False)),
        ({"src/shop/web.py": "", "src/shop/app.py": FLASK}, ("wsgi", "shop.app:app", "src", False)),
        ({"src/main.py": FASTAPI}, ("asgi", "main:api", "src", False)),
        ({"src/__init__.py": "", "src/main.py": FASTAPI}, ("asgi", "src.main:api", "", False)),
        (
            {"run.py": "if True:\n    from quart import Quart\n    app = Quart('x')"},
            ("asgi", "run:app", "", False),
        ),
        (
            {
                "shop/__init__.py": "from flask import Flask\ndef create_app(config=None):\n    return Flask('x')"
            },
            ("wsgi", "shop:create_app", "", True),
        ),
        (
            {"wsgi.py": "from shop import create_app\napp = create_app()", "shop/__init__.py": FLASK},
            ("wsgi", "wsgi:app", "", False),
        ),
        (
            {"app.py": "from dash import Dash\napp = Dash()\nserver = app.server"},
            ("wsgi", "app:server", "", False),
        ),
        (
            {"streamlit_app.py": "import streamlit as st\nst.title('x')"},
            ("streamlit", "streamlit_app.py", "", False),
        ),
        ({"main.py": "print('hello')"}, ("script", "main.py", "", False)),
        ({"app.py": "this is no python ("}, ("script", "app.py", "", False)),
        ({"tests/app.py": FLASK, "bot.py": ""}, ("script", "bot.py", "", False)),
        ({"README.md": ""}, None),
    ],
)
def test_the_object_that_a_server_calls_is_found(
    files: dict[str, str], expected: tuple[str, str, str, bool] | None, tmp_path: Path
) -> None:
    write(tmp_path, **files)

    assert find(tmp_path) == expected


def test_a_setting_names_the_object(tmp_path: Path) -> None:
    write(tmp_path, **{"src/shop/api.py": "from fastapi import FastAPI", "app.py": FLASK})

    assert find(tmp_path, "shop.api:make()") == ("asgi", "shop.api:make", "src", True)


def test_a_projects_only_command_starts_it(tmp_path: Path) -> None:
    manifest = Manifest(scripts=("shop",), built=True)

    assert find(tmp_path, manifest=manifest) == ("command", "shop", "", False)


MANAGE = "import os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"


def test_djangos_settings_name_the_object_and_the_static_files(tmp_path: Path) -> None:
    settings = (
        "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_ROOT = BASE_DIR / 'static'\n"
        "WSGI_APPLICATION = 'shop.wsgi.application'\n"
    )
    write(
        tmp_path, **{"manage.py": MANAGE, "shop/settings.py": settings, "shop/asgi.py": "", "app.py": FLASK}
    )

    entry = web.find(tmp_path, Manifest(), "")

    assert entry == web.Entry(
        kind="wsgi", target="shop.wsgi:application", found="shop/settings.py", django=True
    )
    project = django.find(tmp_path)
    assert project is not None
    assert (project.static_files, project.static_root) == (True, True)


def test_a_django_project_may_stand_in_a_folder_and_speak_asgi(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "backend/manage.py": MANAGE.replace("shop.settings", "shop.settings.production"),
            "backend/shop/settings/base.py": "ASGI_APPLICATION = 'shop.asgi.application'",
            "backend/shop/settings/production.py": "from .base import *",
            "backend/shop/wsgi.py": "",
        },
    )

    assert find(tmp_path) == ("asgi", "shop.asgi:application", "backend", False)


WSGI = web.Entry(kind="wsgi", target="app:app", found="app.py")
ASGI = web.Entry(kind="asgi", target="app:make", found="app.py", factory=True, folder="src")


@pytest.mark.parametrize(
    ("entry", "names", "asked", "expected"),
    [
        (WSGI, {"flask"}, "", processes.Server(name="gunicorn", added=True)),
        (WSGI, {"gunicorn"}, "", processes.Server(name="gunicorn", added=False)),
        (ASGI, {"uvicorn"}, "uvicorn", processes.Server(name="uvicorn", added=False)),
        (ASGI, {"gunicorn"}, "", processes.Server(name="uvicorn", added=True)),
        (WSGI, set(), "none", None),
        (web.Entry(kind="script", target="main.py", found="main.py"), set(), "", None),
        (None, set(), "", None),
    ],
)
def test_a_server_is_chosen_by_what_it_speaks(
    entry: web.Entry | None, names: set[str], asked: str, expected: processes.Server | None
) -> None:
    assert processes.server(entry, names, asked) == expected


def test_a_server_that_does_not_speak_it_is_refused() -> None:
    with pytest.raises(Problem, match="gunicorn cannot serve this app"):
        processes.server(ASGI, set(), "gunicorn")


def test_servers_are_started_directly_so_that_signals_reach_them() -> None:
    gunicorn = processes.Server(name="gunicorn", added=False)
    uvicorn = processes.Server(name="uvicorn", added=False)

    assert processes.served(WSGI, gunicorn, []) == ("gunicorn", "app:app")
    assert processes.served(ASGI, uvicorn, ["--reload"]) == (
        "uvicorn",
        "--app-dir",
        "src",
        "--reload",
        "--factory",
        "app:make",
    )


METADATA = """\
Metadata-Version: 2.4
Name: Flask_Login
Version: 0.6.3
Summary: Users
License: MIT
Classifier: License :: OSI Approved :: MIT License
Project-URL: Changes, https://x.test/changes
Project-URL: Homepage, https://x.test

Name: no header
"""


def test_the_bill_of_materials_says_what_packages_say(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{"site/Flask_Login-0.6.3.dist-info/METADATA": METADATA, "site/x-1.dist-info/METADATA": "x"},
    )

    (found,) = bill.components(tmp_path, tmp_path / "site")

    assert (found.purl, found.licences, found.homepage, found.where) == (
        "pkg:pypi/flask-login@0.6.3",
        ("MIT",),
        "https://x.test",
        "site/Flask_Login-0.6.3.dist-info/METADATA",
    )
