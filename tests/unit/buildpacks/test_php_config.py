"""What the PHP buildpack writes: settings, nginx's configuration, and the scripts that run at launch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from php import build
from php.docroot import DocumentRoot
from php.layers import composer, config
from php.layers.runtime import Runtime
from pybuild.libcnb import connections
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layer, Layers, Types

PHP = Path(__file__).parents[3] / "buildpacks/php"
SITE = DocumentRoot(folder="public", front_controller="index.php", why="has index.php")
ROOT = DocumentRoot(folder="", front_controller="", why="has web files")


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    for folder in ("app", "layers", "platform"):
        (tmp_path / folder).mkdir()
    return make_context(tmp_path, "production")


def make_context(root: Path, exec_env: str) -> BuildContext:
    return BuildContext(
        app=root / "app",
        buildpack=PHP,
        platform=root / "platform",
        layers=Layers(root / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env=exec_env,
        environ={},
        version="1",
    )


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    root = tmp_path / "php"
    for name, text in {
        "usr/bin/php8.2": "",
        "usr/sbin/php-fpm8.2": "",
        "usr/lib/php/20220829/mysqli.so": "",
        "usr/lib/php/8.2/php.ini-production": "; Debian's\n",
        "usr/share/php8.2-mysql/mysql/mysqli.ini": "; priority=20\nextension=mysqli.so\n",
        "usr/share/php8.2-mysql/mysql/mysqlnd.ini": "; priority=10\nextension=mysqlnd.so\n",
        "usr/share/php8.2-zip/zip/zip.ini": "extension=zip.so\n",
        "etc/php/8.2/mods-available/redis.ini": "extension=redis.so\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Runtime(layer=Layer(name="php", path=root, types=Types()), series="8.2", version="8.2.36")


def test_the_layer_has_settings_scripts_and_variables(context: BuildContext, runtime: Runtime) -> None:
    layer = config.write(context, runtime, SITE, server=True)

    files = {str(file.relative_to(layer.path)) for file in layer.path.rglob("*") if not file.is_dir()}
    assert files == {
        "bin/php",
        "bin/php-fpm",
        "bin/php-web",
        "env/PHPRC.override",
        "env/PHP_INI_SCAN_DIR.override",
        "env/PHP_MEMORY_LIMIT.default",
        "env/PHP_POST_MAX_SIZE.default",
        "env.build/PYBUILD_DEFAULT_PROCESS.override",
        "etc/conf.d/00-pybuild.ini",
        "etc/conf.d/10-mysqlnd.ini",
        "etc/conf.d/20-mysqli.ini",
        "etc/conf.d/20-redis.ini",
        "etc/conf.d/20-zip.ini",
        "etc/nginx.conf.tmpl",
        "etc/php-fpm.conf",
        "etc/php.ini",
        "etc/site",
        "exec.d/service-bindings",
        "exec.d/variables-of-frameworks",
    }
    assert (layer.path / "env/PHP_INI_SCAN_DIR.override").read_text() == (
        f"{layer.path}/etc/conf.d:{context.app}/.php.ini.d"
    )


def test_an_app_without_server_gets_php_alone(context: BuildContext, runtime: Runtime) -> None:
    layer = config.write(context, runtime, None, server=False)

    assert sorted(file.name for file in (layer.path / "bin").iterdir()) == ["php"]


@pytest.mark.parametrize(
    ("exec_env", "expected"),
    [
        ("production", ["opcache.validate_timestamps = 0", "display_errors = Off", "zend.assertions = -1"]),
        ("development", ["opcache.validate_timestamps = 1", "display_errors = On", "zend.assertions = 1"]),
    ],
)
def test_the_execution_environment_decides_what_is_frozen(
    exec_env: str, expected: list[str], tmp_path: Path, runtime: Runtime
) -> None:
    lines = config.php_ini(make_context(tmp_path, exec_env), runtime).splitlines()

    assert [line for line in expected if line not in lines] == []
    assert f"extension_dir = {runtime.layer.path}/usr/lib/php/20220829" in lines


def test_nginx_hides_more_when_the_app_itself_is_the_document_root() -> None:
    template = (PHP / "templates/nginx.conf.tmpl").read_text()

    below, root = config.nginx_template(template, SITE), config.nginx_template(template, ROOT)

    assert "try_files $uri $uri/ /index.php?$query_string;" in below
    assert "try_files $uri $uri/ =404;" in root
    assert "Procfile" in root
    assert "Procfile" not in below


def test_processes_are_web_and_tests_where_there_are_any(context: BuildContext) -> None:
    (context.app / "vendor/bin").mkdir(parents=True)
    (context.app / "vendor/bin/phpunit").touch()

    layer = context.layers.fresh_layer("php-conf", Types(launch=True, build=True))
    web, tests = build.processes(context, SITE, None, layer)

    assert (web.type, web.command, web.default) == ("web", ("php-web",), True)
    assert (tests.type, tests.command, tests.exec_envs) == ("test", ("php", "vendor/bin/phpunit"), ("test",))


class Web:
    """php-web with programs that only note how they were started."""

    def __init__(self, root: Path, layer: Layer) -> None:
        self.script = layer.path / "bin/php-web"
        self.bin = root / "bin"
        self.bin.mkdir()
        self.tool("php-fpm", "env | grep ^PHP_ | sort; exit 0")
        self.tool("nginx", 'while [ "$1" != -c ]; do shift; done; cat "$2"')

    def tool(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.script), *words],
            env={"PATH": f"{self.bin}:{os.environ['PATH']}", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def web(tmp_path: Path, context: BuildContext, runtime: Runtime) -> Web:
    return Web(tmp_path, config.write(context, runtime, SITE, server=True))


def test_the_configuration_is_rendered_at_start(web: Web, context: BuildContext) -> None:
    done = web.run("--check", PORT="09000", PHP_POST_MAX_SIZE="5m", NGINX_CONF_DIR="/etc/n&x")

    assert done.returncode == 0, done.stderr
    assert "{{" not in done.stdout
    assert "listen 9000 default_server;" in done.stdout
    assert "client_max_body_size 5m;" in done.stdout
    assert "include /etc/n&x/mime.types;" in done.stdout
    assert f'root "{context.app}/public";' in done.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PORT": "abc"}, "PORT must be a number from 1 to 65535, got 'abc'"),
        ({"PORT": "0"}, "got '0'"),
        ({"PORT": "65536"}, "got '65536'"),
        ({"PORT": "80; daemon on"}, "got '80; daemon on'"),
        ({"PHP_POST_MAX_SIZE": "1;x"}, "PHP_POST_MAX_SIZE must be a size"),
        ({"PHP_MEMORY_LIMIT": "lots"}, "PHP_MEMORY_LIMIT must be a size"),
        ({"PHP_STOP_GRACE": "-1"}, "PHP_STOP_GRACE must be a number"),
        ({"PHP_READ_TIMEOUT": "1s; x"}, "PHP_READ_TIMEOUT must be a number"),
        ({"WEB_CONCURRENCY": "0"}, "must be numbers from 1 to 9999"),
    ],
)
def test_a_bad_variable_stops_the_start_with_one_line(
    web: Web, variables: dict[str, str], words: str
) -> None:
    done = web.run("--check", **variables)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WEB_CONCURRENCY": "5"}, "PHP_PM_MAX_CHILDREN=5"),
        ({"WEB_CONCURRENCY": "5", "PHP_PM_MAX_CHILDREN": "1"}, "PHP_PM_SPARE=1"),
        ({"PHP_MEMORY_LIMIT": "1024G"}, "PHP_PM_MAX_CHILDREN=2"),
    ],
)
def test_the_number_of_workers_is_set_or_worked_out(
    web: Web, variables: dict[str, str], expected: str
) -> None:
    assert expected in web.run("--check", **variables).stdout.splitlines()


def test_a_program_that_dies_at_once_ends_the_container_with_70(web: Web) -> None:
    web.tool("php-fpm", "exit 78")

    done = web.run()

    assert done.returncode == 70
    assert "error: php-fpm exited with status 78; stopping" in done.stderr


def binding_variables(root: Path, **values: str) -> dict[str, str]:
    """What both exec.d programs set, one after the other as the launcher runs them."""
    for key, value in values.items():
        (root / "db").mkdir(exist_ok=True)
        (root / "db" / key).write_text(f"{value}\n")
    script = root / connections.NAME
    script.write_text(connections.SCRIPT)
    names = sorted([script, PHP / "templates/variables-of-frameworks"], key=lambda path: path.name)
    assert names[0] == script
    found: dict[str, str] = {}
    for name in names:
        done = subprocess.run(
            ["bash", "-c", f'bash "{name}" 3> "{root}/out"'],
            env={
                "PATH": os.environ["PATH"],
                "SERVICE_BINDING_ROOT": str(root),
                "DB_HOST": "set-by-user",
                **found,
            },
            check=True,
            capture_output=True,
        )
        assert done.stdout == b""
        found |= {key: str(value) for key, value in tomllib.loads((root / "out").read_text()).items()}
    return found


def test_a_bound_database_reaches_the_app_as_variables(tmp_path: Path) -> None:
    password = "p@ss w/r:d\"\\'$`%#?&=é;\t{}"

    found = binding_variables(
        tmp_path, type="mysql", host="db", port="3307", username="me", password=password, database="d"
    )

    assert found["DB_PASSWORD"] == found["MYSQL_PASSWORD"] == found["WORDPRESS_DB_PASSWORD"] == password
    assert "DB_HOST" not in found, "what the user set stays"
    assert found["WORDPRESS_DB_HOST"] == "db:3307"
    url = urlsplit(found["DATABASE_URL"])
    assert (url.hostname, url.port, url.path, unquote(url.password or "")) == ("db", 3307, "/d", password)


def test_a_nonstandard_type_counts_by_its_provider(tmp_path: Path) -> None:
    assert binding_variables(tmp_path, type="managed", provider="MariaDB", host="h")["DB_PORT"] == "3306"


def test_laravel_finds_postgresql_under_its_own_names(tmp_path: Path) -> None:
    found = binding_variables(
        tmp_path, type="postgresql", host="h", username="me", password='p"w', database="d"
    )

    assert (found["DB_CONNECTION"], found["DB_PORT"], found["DB_PASSWORD"]) == ("pgsql", "5432", 'p"w')
    assert "WORDPRESS_DB_HOST" not in found


@pytest.mark.parametrize("values", [{}, {"type": "ca-certificates", "ca.pem": "x"}])
def test_without_a_database_nothing_is_set(values: dict[str, str], tmp_path: Path) -> None:
    assert binding_variables(tmp_path, **values) == {}


def test_composers_absolute_includes_lead_into_the_layer(tmp_path: Path) -> None:
    (tmp_path / "Composer").mkdir()
    file = tmp_path / "Composer/autoload.php"
    file.write_text("<?php require_once '/usr/share/php/Composer/x.php'; $other = 'a/usr/share/php/';\n")

    composer.relocate(tmp_path)

    assert (
        file.read_text() == f"<?php require_once '{tmp_path}/Composer/x.php'; $other = 'a/usr/share/php/';\n"
    )


# Like the real ones, and unlike a shell, these heed SIGQUIT although bash has its background processes ignore it.
FPM = """
import os, signal, socket
listener = socket.socket(socket.AF_UNIX)
def quit(*_):
    os.write(1, b"fpm quits\\n")
    os._exit(0)
signal.signal(signal.SIGQUIT, quit)
listener.bind(os.environ["PHP_RUN_DIR"] + "/php-fpm.sock")
while True:
    signal.pause()
"""

NGINX = """
import os, signal, time
def quit(*_):
    time.sleep(0.3)
    os.write(1, b"nginx quits\\n")
    os._exit(0)
signal.signal(signal.SIGQUIT, quit)
os.write(1, b"started\\n")
while True:
    signal.pause()
"""


def start(web: Web, tmp_path: Path, nginx: str) -> subprocess.Popen[str]:
    """php-web with a php-fpm that listens and an nginx that does what `nginx` says, up to its line "started"."""
    (tmp_path / "fpm.py").write_text(FPM)
    web.tool("php-fpm", f'exec {sys.executable} -IS "{tmp_path}/fpm.py"')
    web.tool("nginx", nginx)
    process = subprocess.Popen(
        [str(web.script)],
        env={"PATH": f"{web.bin}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_lets_nginx_finish_first_and_ends_well(
    web: Web, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "nginx.py").write_text(NGINX)
    process = start(web, tmp_path, f'exec {sys.executable} -IS "{tmp_path}/nginx.py"')

    process.send_signal(number)
    said, _ = process.communicate(timeout=120)

    assert (process.returncode, said) == (0, "nginx quits\nfpm quits\n")


def test_the_death_of_nginx_stops_php_and_ends_with_70(web: Web, tmp_path: Path) -> None:
    process = start(web, tmp_path, "echo started; sleep 0.2; exit 3")

    said, _ = process.communicate(timeout=120)

    assert (process.returncode, said) == (70, "error: nginx exited with status 3; stopping\nfpm quits\n")


def test_a_stop_before_php_is_ready_ends_well(web: Web, tmp_path: Path) -> None:
    started = tmp_path / "started"
    web.tool("php-fpm", f"touch '{started}'; exec sleep 600")
    process = subprocess.Popen([str(web.script)], env={"PATH": f"{web.bin}:{os.environ['PATH']}"})
    while not started.exists():
        time.sleep(0.01)

    process.terminate()

    assert process.wait(timeout=120) == 0
