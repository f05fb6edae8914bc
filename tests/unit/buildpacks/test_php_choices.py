"""What the PHP buildpack decides: version, extensions, document root, from the app's files and settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from php import docroot, extensions, versions
from php.project import Project
from php.settings import extension_names, refuse_forbidden, wants_nginx
from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Packages:
    """Package sources with these versions of php-fpm by series."""

    def __init__(self, series: Mapping[str, tuple[str, ...]]) -> None:
        self.series = series

    def names(self, prefix: str) -> tuple[str, ...]:
        return (*tuple(f"{prefix}{name}-fpm" for name in self.series), "php-fpm", "phpunit")

    def versions(self, package: str) -> tuple[str, ...]:
        return self.series[package.removeprefix("php").removesuffix("-fpm")]


BOOKWORM = Packages({"8.2": ("8.2.36-1~deb12u1", "8.2.32-1~deb12u1")})
SEVERAL = Packages({"7.4": ("7.4.33-1",), "8.4": ("8.4.11-1",), "8.10": ("8.10.1-1",), "8.2": ("8.2.29-1",)})


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        (">=8.1", "8.2.36", "8.0.30"),
        ("^8.1", "8.4.0", "9.0.0"),
        ("^0.3", "0.3.9", "0.4.0"),
        ("~8.1", "8.4.0", "9.0.0"),
        ("~8.1.3", "8.1.9", "8.2.0"),
        ("8.2", "8.2.36", "8.3.0"),
        ("8.2.*", "8.2.1", "8.3.0"),
        ("=8.2.36", "8.2.36", "8.2.35"),
        (">=7.4 <8.3", "8.2.36", "8.3.0"),
        (">=7.4,<8.3", "7.4.0", "8.3.0"),
        ("^7.4 || ^8.0", "8.2.36", "7.3.9"),
        ("^7.4|^8.0", "7.4.1", "9.0.0"),
        ("8.1 - 8.2", "8.2.36", "8.3.0"),
        (">8.2.0", "8.2.1", "8.2.0"),
        ("<=8.2.36", "8.2.36", "8.2.37"),
        ("!=8.2.36", "8.2.35", "8.2.36"),
        (">=8.1.0-dev", "8.1.0", "8.0.9"),
    ],
)
def test_constraints_mean_what_composer_says(constraint: str, inside: str, outside: str) -> None:
    accepts = versions.satisfies(constraint, "composer.json")

    assert accepts(versions.numbers(inside))
    assert not accepts(versions.numbers(outside))


@pytest.mark.parametrize("text", ["", "*"])
def test_an_empty_constraint_accepts_all(text: str) -> None:
    assert versions.satisfies(text, "composer.json")((5, 0, 0))


@pytest.mark.parametrize("text", ["latest", ">=", "8.2 or so", "dev-main", "^8.1 ||| x"])
def test_a_text_that_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cannot be understood"):
        versions.satisfies(text, "composer.json")


@pytest.mark.parametrize(
    ("sources", "asked", "constraints", "expected"),
    [
        (BOOKWORM, "", {}, ("8.2", "8.2.36-1~deb12u1", True)),
        (BOOKWORM, "8.2.32", {}, ("8.2", "8.2.32-1~deb12u1", False)),
        (SEVERAL, "", {}, ("8.10", "8.10.1-1", True)),
        (SEVERAL, "", {"^7.4": "composer.lock", "^8": "composer.json"}, ("7.4", "7.4.33-1", True)),
        (SEVERAL, "8.2.*", {"^7.4": "composer.json"}, ("8.2", "8.2.29-1", True)),
    ],
)
def test_the_newest_version_that_is_wanted_is_chosen(
    sources: Packages, asked: str, constraints: dict[str, str], expected: tuple[str, str, bool]
) -> None:
    choice = versions.choose(sources, asked, constraints)  # type: ignore[arg-type] # the two questions it asks

    assert (choice.series, choice.version, choice.newest) == expected


def test_a_version_nobody_has_is_answered_with_the_list() -> None:
    with pytest.raises(Problem) as caught:
        versions.choose(BOOKWORM, "", {"^7.4": "composer.json"})  # type: ignore[arg-type] # the two questions it asks

    assert (
        'composer.json asks for PHP "^7.4"; this builder\'s package sources have 8.2.36, 8.2.32.'
        in caught.value.found
    )


KNOWN = frozenset(
    f"php8.2-{name}"
    for name in [
        "fpm",
        "cli",
        "opcache",
        "mysql",
        "mbstring",
        "xml",
        "curl",
        "zip",
        "intl",
        "gd",
        "imagick",
        "redis",
    ]
)


def test_extensions_become_packages_and_say_who_asked() -> None:
    asked = {
        "gd": "composer.json",
        "pdo_mysql": "composer.json",
        "json": "composer.lock",
        "zend-opcache": "x",
        "dom": "x",
    }

    found = extensions.select("8.2", asked, (), KNOWN)

    base = sorted(f"php8.2-{name}" for name in ("fpm", "cli", *extensions.BASE, "gd"))
    assert found == extensions.Selection(packages=tuple(base), added={"gd": "composer.json"}, substituted=())


def test_an_unknown_extension_is_answered_with_similar_names() -> None:
    with pytest.raises(Problem, match="imagik") as caught:
        extensions.select("8.2", {"imagik": "BP_PHP_EXTENSIONS"}, (), KNOWN)

    assert "Similar names: imagick." in caught.value.found


def test_an_extension_that_a_package_provides_may_be_missing() -> None:
    found = extensions.select("8.2", {"apcu": "package a/b"}, {"apcu"}, KNOWN)

    assert found.substituted == ("apcu",)


def test_a_php_with_opcache_built_in_needs_no_package_for_it() -> None:
    known = {name.replace("8.2", "8.5") for name in KNOWN} - {"php8.5-opcache"}

    assert "php8.5-opcache" not in extensions.select("8.5", {"zend-opcache": "x"}, (), known).packages


def write(app: Path, name: str, content: object = "") -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).write_text(content if isinstance(content, str) else json.dumps(content))


def test_composers_files_tell_versions_extensions_and_packages(tmp_path: Path) -> None:
    write(
        tmp_path,
        "composer.json",
        {
            "require": {"php": ">=8.1", "ext-GD": "*", "a/b": "^1"},
            "require-dev": {"t/t": "*", "ext-xdebug": "*"},
        },
    )
    write(
        tmp_path,
        "composer.lock",
        {
            "platform": {"php": ">=8.2"},
            "platform-overrides": {"php": "8.2.1"},
            "packages": [{"name": "a/b", "require": {"ext-redis": "*"}, "provide": {"ext-apcu": "1"}}],
            "packages-dev": [{"name": "t/t", "require": {"ext-pcov": "*"}}],
            "stability-flags": [],
        },
    )

    production = Project.read(tmp_path, dev=False)
    test = Project.read(tmp_path, dev=True)

    assert next(iter(production.php.items())) == ("8.2.1", "composer.lock, platform-overrides")
    assert production.extensions == {"gd": "composer.json", "redis": "package a/b"}
    assert production.provided == {"apcu"}
    assert (production.packages, test.packages) == (("a/b",), ("a/b", "t/t"))
    assert {*test.extensions} == {"gd", "xdebug", "redis", "pcov"}
    assert not production.volatile


@pytest.mark.parametrize(
    ("manifest", "lock"),
    [
        ({"extra": {"patches": {"a/b": {"x": "y"}}}}, {}),
        ({}, {"packages": [{"name": "a/b", "dist": {"type": "path", "url": "lib"}}]}),
    ],
)
def test_packages_that_depend_on_other_files_are_not_cached(
    manifest: dict[str, object], lock: dict[str, object], tmp_path: Path
) -> None:
    write(tmp_path, "composer.json", manifest)
    write(tmp_path, "composer.lock", lock)

    assert Project.read(tmp_path, dev=False).volatile


@pytest.mark.parametrize("text", ["{", "[]", "<<<<<<< HEAD\n{}", "[" * 100_000])
@pytest.mark.parametrize("name", ["composer.json", "composer.lock"])
def test_damaged_json_is_named(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, "composer.json", {})
    write(tmp_path, name, text)

    with pytest.raises(Problem, match=f"{name} cannot be read"):
        Project.read(tmp_path, dev=False)


@pytest.mark.parametrize(
    ("files", "settings", "expected"),
    [
        (["public/index.php", "index.php"], {}, ("public", "index.php")),
        (["web/index.php"], {}, ("web", "index.php")),
        (["index.php", "public/style.css"], {}, ("", "index.php")),
        (["info.php"], {}, ("", "")),
        (["index.html"], {}, ("", "")),
        (
            ["site/app.php"],
            {"BP_PHP_WEB_DIR": "site/", "BP_PHP_FRONT_CONTROLLER": "app.php"},
            ("site", "app.php"),
        ),
        (["public/index.php"], {"BP_PHP_WEB_DIR": "."}, ("", "")),
        (["index.php"], {"BP_PHP_FRONT_CONTROLLER": ""}, ("", "")),
    ],
)
def test_the_document_root_is_found_or_set(
    files: list[str], settings: dict[str, str], expected: tuple[str, str], tmp_path: Path
) -> None:
    for name in files:
        write(tmp_path, name)

    found = docroot.find(tmp_path, settings)

    assert found is not None
    assert (found.folder, found.front_controller) == expected


def test_an_app_without_web_files_has_no_document_root(tmp_path: Path) -> None:
    write(tmp_path, "bin/console")

    assert docroot.find(tmp_path, {}) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"BP_PHP_WEB_DIR": "../x"},
        {"BP_PHP_WEB_DIR": "/etc"},
        {"BP_PHP_WEB_DIR": "no"},
        {"BP_PHP_FRONT_CONTROLLER": "no.php"},
    ],
)
def test_settings_that_lead_nowhere_are_refused(settings: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, "index.php")

    with pytest.raises(Problem, match="does not exist"):
        docroot.find(tmp_path, settings)


def test_settings_are_checked() -> None:
    assert extension_names({"BP_PHP_EXTENSIONS": "gd, ext-Redis\nimagick"}) == ("gd", "redis", "imagick")
    assert wants_nginx({})
    assert not wants_nginx({"BP_PHP_SERVER": "none"})
    with pytest.raises(Problem, match="web server is not known"):
        wants_nginx({"BP_PHP_SERVER": "httpd"})
    with pytest.raises(Problem, match="PHPRC must not be set"):
        refuse_forbidden({"PHPRC": "/x"})
