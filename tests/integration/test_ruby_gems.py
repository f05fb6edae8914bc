"""Gems that are compiled, from vendor/cache: against the libraries of databases, and started from a read-only image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.gems import write_gem
from support.sample import build, forget

if TYPE_CHECKING:
    from pathlib import Path

    import docker

# Each asks its library for its version, so that it must be found when it is compiled and when it runs.
LIBRARIES = {
    "pg": ("libpq-fe.h", "pq", "PQlibVersion()"),
    "sqlite3": ("sqlite3.h", "sqlite3", "sqlite3_libversion_number()"),
    "mysql2": ("mysql.h", "mysqlclient", "(int)mysql_get_client_version()"),
}
EXTCONF = """\
require "mkmf"
abort "no %(header)s" unless have_header("%(header)s") && have_library("%(library)s")
create_makefile("%(name)s_ext")
"""
SOURCE = """\
#include <ruby.h>
#include <%(header)s>
static VALUE version(VALUE self) { return INT2NUM(%(call)s); }
void Init_%(name)s_ext(void) { rb_define_singleton_method(rb_define_module("X%(name)s"), "version", version, 0); }
"""
MAIN = """\
require "bundler/setup"
require "json"
%(requires)s
puts JSON.generate(%(calls)s, frozen: Bundler.frozen_bundle?, lang: Encoding.default_external.to_s)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    for name, (header, library, call) in LIBRARIES.items():
        words = {"name": name, "header": header, "library": library, "call": call}
        files = {
            f"ext/{name}/extconf.rb": EXTCONF % words,
            f"ext/{name}/{name}.c": SOURCE % words,
            f"lib/{name}.rb": f'require "{name}_ext"\n',
        }
        write_gem(folder / "vendor/cache", name, "1.0.0", files)
    (folder / "Gemfile").write_text(
        'source "https://rubygems.org"\n' + "".join(f'gem "{name}"\n' for name in LIBRARIES)
    )
    names = sorted(LIBRARIES)
    specs = "".join(f"    {name} (1.0.0)\n" for name in names)
    wanted = "".join(f"  {name}\n" for name in names)
    (folder / "Gemfile.lock").write_text(
        f"GEM\n  remote: https://rubygems.org/\n  specs:\n{specs}\n"
        # What newer Bundlers write must not stop Debian's.
        f"PLATFORMS\n  aarch64-linux\n  x86_64-linux\n\nDEPENDENCIES\n{wanted}\n"
        f"CHECKSUMS\n  pg (1.0.0)\n\nBUNDLED WITH\n   2.6.2\n"
    )
    (folder / "main.rb").write_text(
        MAIN
        % {
            "requires": "\n".join(f'require "{name}"' for name in LIBRARIES),
            "calls": ", ".join(f"{name}: X{name}.version" for name in LIBRARIES),
        }
    )
    return folder


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.timeout(600)
def test_gems_are_compiled_against_libraries_that_the_image_has(
    app: Path, engine: docker.APIClient, test_run: str, tmp_path: Path
) -> None:
    image = f"{test_run}-gems"
    made: list[str] = []
    try:
        first = build(image, app, {}, state=tmp_path)
        made.append(first.image_id)
        said = _run(engine, image)
        second = build(image, app, {}, state=tmp_path)
        made.append(second.image_id)
    finally:
        forget(engine, image, made)

    assert "Layer ruby-dev is made" in first.output
    assert said["pg"] >= 150000
    assert said["sqlite3"] >= 3040000
    assert said["mysql2"] >= 30000
    assert (said["frozen"], said["lang"]) == (True, "UTF-8")
    assert "Layer gems is reused" in second.output
    assert second.image_id == first.image_id


def _run(engine: docker.APIClient, image: str) -> dict[str, object]:
    options = engine.create_host_config(read_only=True, tmpfs={"/tmp": ""}, network_mode="none")
    container = str(engine.create_container(image, host_config=options)["Id"])
    try:
        engine.start(container)
        status = engine.wait(container, timeout=60)["StatusCode"]
        said = engine.logs(container).decode()
    finally:
        engine.remove_container(container, force=True)
    assert status == 0, said
    return dict(json.loads(said.splitlines()[-1]))
