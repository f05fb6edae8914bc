"""What the Ruby buildpack decides: version, packages for compiled gems, commands, what Bundler is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.problem import Problem
from ruby import natives, processes, versions
from ruby.layers import gems
from ruby.layers.headers import complete
from ruby.layers.runtime import relocate
from ruby.lock import Bundle

if TYPE_CHECKING:
    from pathlib import Path

LOCK = """\
GIT
  remote: https://example.com/widgets.git
  revision: 0123456789abcdef
  specs:
    widgets (0.3.0)

PATH
  remote: engines/shop
  specs:
    shop (1.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.16.0-aarch64-linux)
      racc (~> 1.4)
    nokogiri (1.16.0-x86_64-linux)
      racc (~> 1.4)
    pg (1.5.4)
    puma (5.6.5)
      nio4r (~> 2.0)
    nio4r (2.5.8)

PLATFORMS
  x86_64-linux

DEPENDENCIES
  pg
  puma (~> 5.6)

RUBY VERSION
   ruby 3.1.2p20

BUNDLED WITH
   2.3.15
"""


class Packages:
    """The package sources of a release that has two series of Ruby."""

    def names(self, prefix: str) -> tuple[str, ...]:
        every = (
            "libicu72",
            "libpq5",
            "libxml2",
            "libxml2-dev",
            "libxslt1.1",
            "ruby",
            "ruby3.1",
            "ruby3.1-dev",
            "ruby3.3",
        )
        return tuple(name for name in every if name.startswith(prefix))

    def versions(self, package: str) -> tuple[str, ...]:
        return {
            "ruby3.1": ("3.1.7+really3.1.2-0+deb12u1", "3.1.2-7"),
            "ruby3.3": ("3.3.8-2",),
        }[package]


def app(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "Gemfile").write_text('source "https://rubygems.org"\n')
    (tmp_path / "Gemfile.lock").write_text(LOCK)
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    return tmp_path


def test_a_lock_file_tells_gems_and_which_have_to_be_compiled(tmp_path: Path) -> None:
    bundle = Bundle.read(app(tmp_path))

    assert bundle.gems["nokogiri"] == "1.16.0"
    assert {"widgets", "shop", "pg", "nio4r"} <= {*bundle.gems}
    assert "racc" not in bundle.gems
    assert "pg" in bundle.compiled
    assert "nokogiri" not in bundle.compiled


@pytest.mark.parametrize(
    ("gemfile", "file", "expected"),
    [
        ('ruby "~> 3.1"', "", {"3.1.2": "Gemfile.lock", "~> 3.1": "Gemfile"}),
        ("ruby '>= 3.0', '< 3.4'", "", {"3.1.2": "Gemfile.lock", ">= 3.0, < 3.4": "Gemfile"}),
        ('ruby("3.1.2", engine: "ruby")', "", {"3.1.2": "Gemfile.lock"}),
        ('ruby file: ".ruby-version"', "ruby-3.1.4\n", {"3.1.4": ".ruby-version", "3.1.2": "Gemfile.lock"}),
        ("# ruby '2.0'", "", {"3.1.2": "Gemfile.lock"}),
    ],
)
def test_every_place_that_asks_for_a_ruby_is_read(
    gemfile: str, file: str, expected: dict[str, str], tmp_path: Path
) -> None:
    files = {"Gemfile": f"{gemfile}\n", **({"__ruby-version": file} if file else {})}

    bundle = Bundle.read(app(tmp_path, **files))

    assert bundle.ruby == expected


@pytest.mark.parametrize(
    ("asked", "wanted", "version"),
    [
        ("", {}, "3.3.8"),
        ("3.1", {}, "3.1.2"),
        ("", {"3.1.4": ".ruby-version"}, "3.1.2"),
        ("", {"~> 3.1": "Gemfile"}, "3.3.8"),
        ("", {"~> 3.1.0": "Gemfile"}, "3.1.2"),
        ("", {">= 3.0, < 3.2": "Gemfile"}, "3.1.2"),
        ("", {"3.1.2": "Gemfile.lock", "~> 3.1": "Gemfile"}, "3.1.2"),
        ("3.3", {"3.1.2": "Gemfile.lock"}, "3.3.8"),
    ],
)
def test_the_newest_ruby_that_everybody_accepts_is_taken(
    asked: str, wanted: dict[str, str], version: str
) -> None:
    assert versions.choose(Packages(), asked, wanted).version == version  # type: ignore[arg-type] # what it asks


@pytest.mark.parametrize(
    ("asked", "wanted", "expected"),
    [
        ("2.7", {}, 'BP_MRI_VERSION asks for Ruby "2.7"; this builder\'s package sources have 3.3.8, 3.1.2.'),
        ("", {"3.1.4": "Gemfile.lock"}, 'Gemfile.lock asks for Ruby "3.1.4"'),
        ("", {"latest": "Gemfile"}, "Gemfile asks for Ruby 'latest', which is no version requirement."),
    ],
)
def test_a_ruby_that_nobody_has_is_answered_with_the_list(
    asked: str, wanted: dict[str, str], expected: str
) -> None:
    with pytest.raises(Problem) as caught:
        versions.choose(Packages(), asked, wanted)  # type: ignore[arg-type] # what it asks

    assert caught.value.found.startswith(expected)


@pytest.mark.parametrize(
    ("files", "heading"),
    [
        ({"__ruby-version": "jruby-9.4\n"}, "This kind of Ruby is not available"),
        ({"Gemfile__lock": "<<<<<<< HEAD\nGEM\n"}, "Gemfile.lock has conflict marks"),
    ],
)
def test_files_that_say_nothing_usable_are_explained(
    files: dict[str, str], heading: str, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match=heading):
        Bundle.read(app(tmp_path, **files))


@pytest.mark.parametrize(
    ("missing", "heading"), [("Gemfile", "No Gemfile found"), ("Gemfile.lock", "No Gemfile.lock found")]
)
def test_a_missing_file_is_explained(missing: str, heading: str, tmp_path: Path) -> None:
    (app(tmp_path) / missing).unlink()

    with pytest.raises(Problem, match=heading):
        Bundle.read(tmp_path)


def test_compiled_gems_bring_headers_for_the_build_and_libraries_for_the_image() -> None:
    asked = ("pg", "nokogiri", "charlock_holmes", "sinatra")

    assert natives.build_packages(asked) == ("libicu-dev", "libpq-dev", "libxml2-dev", "libxslt1-dev")
    assert natives.run_packages(asked, Packages()) == ("libicu72", "libpq5", "libxml2", "libxslt1.1")  # type: ignore[arg-type] # what it asks


@pytest.mark.parametrize(
    ("gem_names", "files", "line"),
    [
        (["puma", "rack"], ["config.ru"], 'bundle exec puma -b "tcp://0.0.0.0:$PORT"'),
        (["railties", "puma"], [], 'bundle exec puma -b "tcp://0.0.0.0:$PORT"'),
        (["webrick", "rackup"], ["config.ru"], 'bundle exec rackup -o 0.0.0.0 -p "$PORT"'),
        (["sinatra"], ["app.rb"], 'bundle exec ruby app.rb -o 0.0.0.0 -p "$PORT"'),
        (["json"], ["main.rb"], "bundle exec ruby main.rb"),
        (["unicorn"], ["config.ru"], 'bundle exec unicorn -l "0.0.0.0:$PORT"'),
    ],
)
def test_the_server_among_the_gems_is_started_where_the_platform_wants_it(
    gem_names: list[str], files: list[str], line: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()

    assert processes.web(tmp_path, Bundle(gems=dict.fromkeys(gem_names, "1")), required=True) == line


def test_a_web_app_without_a_server_is_told_which_line_to_add(tmp_path: Path) -> None:
    (tmp_path / "config.ru").touch()

    with pytest.raises(Problem) as caught:
        processes.web(tmp_path, Bundle(gems={"rack": "2"}), required=True)

    assert caught.value.paste is not None
    assert caught.value.paste.text == 'gem "puma"'


@dataclass
class Context:
    exec_env: str
    settings: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("exec_env", "expected"),
    [("production", "development:test"), ("test", "development"), ("development", "")],
)
def test_groups_for_developers_are_left_out_as_the_execution_environment_says(
    exec_env: str, expected: str
) -> None:
    assert gems.without(Context(exec_env)) == expected  # type: ignore[arg-type] # all it reads


def test_build_options_of_a_developers_configuration_stay_and_places_do_not(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text('---\nBUNDLE_PATH: "vendor/bundle"\nBUNDLE_BUILD__PG: "--with-x"\nBUNDLE_WITHOUT: "a"\n')

    assert gems.own_config(file) == '---\nBUNDLE_BUILD__PG: "--with-x"\n'
    assert gems.own_config(tmp_path / "none") == "---\n"


def test_links_to_libraries_lead_into_the_layer_that_has_them(tmp_path: Path) -> None:
    here, there = (tmp_path / name / "usr/lib" for name in ("dev", "ruby"))
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    (there / "libpq.so.5").write_text("library")
    (here / "libpq.so").symlink_to("libpq.so.5")
    (here / "libother.so").symlink_to("libother.so.1")

    complete(tmp_path / "dev", tmp_path / "ruby")

    assert (here / "libpq.so").read_text() == "library"
    assert not (here / "libother.so").exists()


def test_programs_are_started_by_the_ruby_beside_them(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("#!/usr/bin/ruby3.1\nrequire 'x'\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")

    relocate(tmp_path)

    assert (tmp_path / "bundle").read_text() == "#!/usr/bin/env ruby\nrequire 'x'\n"
    assert (tmp_path / "tool").read_text() == "#!/bin/sh\n"
