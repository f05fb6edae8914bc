"""What our buildpacks read of an app, by properties: any text ends in a value or a `Problem`, and always in the same one.

A module of a buildpack that takes texts apart must be at work when these readers read their seeds, or stand in `ELSEWHERE`.
Issue 7; G8.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aptfile import wanted as apt
from cacerts import certificates
from envvars import variables
from go import gomod
from go import versions as go_versions
from java import contents, jar
from java import project as java_project
from java import versions as java_versions
from nodejs import bill as node_bill
from nodejs import frontend, manifest, ranges, registry, scripts
from php import project as php_project
from php import versions as php_versions
from procfile import parse as procfile
from pybuild.libcnb.bindings import read_bindings
from pybuild.libcnb.problem import Problem
from python import locks, packages
from python import project as python_project
from python import settings as python_settings
from python import versions as python_versions
from ruby import lock as ruby_lock
from ruby import natives
from ruby import versions as ruby_versions
from rust import freshness, workspace
from rust import manifest as rust_manifest
from rust import versions as rust_versions
from static import files as static_files
from static import headers, redirects
from static import settings as static_settings
from support.fuzzing import Target
from support.parsing import check_coverage, inputs, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3] / "buildpacks"


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def in_app(read: Callable[[Path], object], *names: str) -> Callable[[bytes], object]:
    """A reader of an app's folder, in which files of these names have the content."""

    def reads(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return read(Path(folder))

    return reads


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return packed.getvalue()


def read_jar(app: Path) -> object:
    found = jar.Jar.read(app / "a.jar")
    return (
        found.manifest,
        found.feature,
        found.main_class,
        found.class_path,
        found.text("BOOT-INF/layers.idx"),
    )


def read_lock(read: Callable[[Any], object]) -> Callable[[bytes], object]:
    """A reader of a lock file's table."""

    def reads(app: Path) -> object:
        return read(python_project.read_toml(app / "lock"))

    return in_app(reads, "lock")


def read_node(app: Path) -> object:
    found = manifest.Manifest.read(app)
    site = frontend.find(app, found)
    return found, scripts.to_build(found, {}), scripts.start(app, found, "npm"), site


def variables_of(data: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in text_of(data).splitlines())
    return {name: value for name, _, value in pairs if name}


def go_version(data: bytes) -> object:
    asked = go_versions.wanted(text_of(data), gomod.GoMod(file="go.mod", go=text_of(data)))
    return asked.accepts("1.22.1"), go_versions.choose(asked, ["1.21.0", "1.22.1"])


def rust_version(data: bytes) -> object:
    asked = rust_versions.wanted(text_of(data), rust_manifest.Manifest())
    return rust_versions.choose(asked, ["1.80.0", "1.81.1"])


def members(data: bytes) -> object:
    return workspace.read(json.loads(data), ()) if data in CARGO else None


CARGO = (
    json.dumps(
        {
            "packages": [{"name": "a", "id": "a 1", "targets": [{"name": "a", "kind": ["bin"]}]}],
            "workspace_members": ["a 1"],
        }
    ).encode(),
)
"""What cargo itself says is believed: it is not read of the app."""
JAR = zipped(
    **{
        "META-INF__MANIFEST_DOT_MF": b"Main-Class: a.B\r\nClass-Path: l/a.jar\r\n\r\n",
        "a__B_DOT_class": b"\xca\xfe\xba\xbe\0\0\0\x41",
        "BOOT-INF__layers_DOT_idx": b'- "a":\n  - "b"\n',
    }
)
POM = b"<project><properties><maven.compiler.release>21</maven.compiler.release></properties><build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId><configuration><release>17</release></configuration></plugin></plugins></build></project>"
NODE = b'{"name":"a","version":"1.0.0","scripts":{"start":"node a.js","build":"x"},"dependencies":{"vite":"^5"},"engines":{"node":"20.x"},"packageManager":"pnpm@9.1.0+sha512.ab","workspaces":["a"],"main":"a.js"}'

READERS = (
    Target("Aptfile", in_app(lambda app: apt.read(app, ""), "Aptfile"), (b"# a\ncurl\nlibpq5=1.2-3\n:repo:deb x\n",)),
    Target("apt in project.toml", in_app(lambda app: apt.read(app, ""), "project.toml"), (b'[com.pybuild.apt]\ninstall = ["a", "b=1"]\n',)),
    Target("certificates", in_app(lambda app: certificates.certificates(certificates.bound(read_bindings(app))), "b/type", "b/a.crt"), (b"ca-certificates", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    Target("variables", lambda data: variables.read(variables_of(data)), (b"BPE_A=b\nBPE_APPEND_C=d\nBPE_DELIM_C=:\nBPE_OVERRIDE_A=b", b"BPE_DEFAULT_X=1")),
    Target("go.mod", in_app(gomod.GoMod.read, "go.mod"), (b'module example.com/a\n\ngo 1.22.1\ntoolchain go1.22.3 // x\nrequire (\n a v1\n)\n',)),
    Target("Go's version", go_version, (b"1.22", b">=1.21", b"1.22.1")),
    Target("jar", in_app(read_jar, "a.jar"), (JAR,)),
    Target("jar's maker", in_app(lambda app: contents.of_jar(app / "a.jar"), "a.jar"), (JAR,)),
    Target("layers.idx", lambda data: (jar.layer_index(text_of(data)), jar.class_path_index(text_of(data))), (b'- "a":\n  - "b/"\n- "x.jar"\n',)),
    Target("manifest of a jar", lambda data: jar.main_attributes(text_of(data)), (b"A: b\r\n c\r\nD: e\r\n\r\nF: g\r\n",)),
    Target("pom.xml", in_app(lambda app: java_project.pom_version(app / "pom.xml"), "pom.xml"), (POM,)),
    Target("Java's version", lambda data: java_versions.feature(text_of(data), "f"), (b"17.0.9-tem", b"1.8", b"21")),
    Target("package.json", in_app(read_node, "package.json"), (NODE,)),
    Target("angular.json", in_app(lambda app: frontend.find(app, manifest.Manifest(exists=True, dev={"@angular/cli": "^17"})), "angular.json"), (b'{"projects":{"a":{"architect":{"build":{"options":{"outputPath":"dist/a"}}}}}}',)),
    Target("installed packages", in_app(lambda app: node_bill.components(app, manifest.Manifest(exists=True, dependencies={"a": "1"})), "node_modules/a/package.json"), (NODE.replace(b'"vite"', b'"a"'),)),
    Target("npm's range", lambda data: ranges.satisfies(text_of(data), "f")((20, 1, 0)), (b"^20.1 || >=18 <21", b"18 - 20", b"20.x", b"~1.2.3-beta")),
    Target(".npmrc", in_app(lambda app: registry.login("https://registry.example.com/a", registry.npmrc(app / ".npmrc", {"T": "x"})), ".npmrc"), (b"//registry.example.com/:_authToken=${T}\nregistry=https://registry.example.com/a\n",)),
    Target("composer.json", in_app(lambda app: php_project.Project.read(app, dev=True), "composer.json"), (b'{"require":{"php":"^8.1","ext-intl":"*"}}',)),
    Target("composer.lock", in_app(lambda app: php_project.Project.read(app, dev=True), "composer.lock", "composer.json"), (b'{"packages":[{"name":"a/b","version":"1","require":{"php":">=8","ext-gd":"*"}}],"platform":{"php":"^8"}}',)),
    Target("Composer's range", lambda data: php_versions.satisfies(text_of(data), "f")((8, 2, 0)), (b"^8.1 || ~7.4", b">=8 <9", b"8.2.*")),
    Target("Procfile", lambda data: (procfile.parse(text_of(data)), procfile.repeated(text_of(data))), (b"web: a b\nworker: c # d\n",)),
    Target("requirements.txt", lambda data: (packages.pins(text_of(data)), packages.is_locked(text_of(data)), packages.split_local(text_of(data))), (b"a==1 --hash=sha256:00\n-e ./b\nc @ https://example.com/c.whl\n",)),
    Target("pyproject.toml", in_app(python_project.read_manifest, "pyproject.toml"), (b'[project]\nname="a"\nrequires-python=">=3.11"\ndependencies=["b>1"]\n[tool.poetry]\nname="a"\n[tool.poetry.dependencies]\npython="^3.11"\n',)),
    Target("poetry.lock", read_lock(lambda table: locks.poetry(table, python_project.Manifest(), dev=True)), (b'[[package]]\nname="a"\nversion="1"\noptional=false\nfiles=[{file="a",hash="sha256:0"}]\n[package.dependencies]\nb=">=1"\n[metadata]\nlock-version="2.0"\ncontent-hash="0"\n',)),
    Target("pdm.lock", read_lock(lambda table: locks.pdm(table, dev=True)), (b'[[package]]\nname="a"\nversion="1"\ngroups=["default"]\nfiles=[{file="a",hash="sha256:0"}]\n',)),
    Target("Pipfile.lock", lambda data: locks.pipenv(value, dev=True) if isinstance(value := _json(data), dict) else None, (b'{"default":{"a":{"version":"==1","hashes":["sha256:0"],"markers":"x"}},"develop":{},"_meta":{"sources":[{"url":"https://x"}]}}',)),
    Target("requirement", lambda data: locks.split_requirement(text_of(data)), (b'a[b,c]>=1; python_version>"3"',)),
    Target("Python's range", lambda data: python_versions.satisfies(text_of(data), "f")((3, 11, 2)), (b">=3.10,<4", b"^3.11", b"3.11.*", b"~=3.11")),
    Target("Python's settings", lambda data: (python_settings.server({"BP_PYTHON_SERVER": text_of(data)}), python_settings.app_reference({"BP_PYTHON_APP": text_of(data)}), python_settings.requirement_files({"BP_PIP_REQUIREMENT": text_of(data)})), (b"gunicorn", b"a.b:app")),
    Target("Gemfile.lock", in_app(ruby_lock.Bundle.read, "Gemfile", "Gemfile.lock"), (b"GEM\n  remote: https://rubygems.org/\n  specs:\n    rack (3.0.0)\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n\nRUBY VERSION\n   ruby 3.2.2p53\n", b'ruby "~> 3.2", ">= 3.1"\ngem "rack"\n')),
    Target(".ruby-version", in_app(ruby_lock.Bundle.read, "Gemfile", "Gemfile.lock", ".ruby-version"), (b"3.2.2\n", b"ruby-3.1", b"jruby-9")),
    Target("Ruby's range", lambda data: ruby_versions.satisfies(text_of(data), "f")((3, 2, 2)), (b"~> 3.2, >= 3.1", b"!= 3.0")),
    Target("gems", lambda data: natives.build_packages(text_of(data).splitlines()), (b"pg\nmysql2",)),
    Target("Cargo.toml", in_app(rust_manifest.Manifest.read, "Cargo.toml", "rust-toolchain.toml"), (b'[package]\nname="a"\nrust-version="1.70"\n', b'[toolchain]\nchannel="1.81"\n')),
    Target("rust-toolchain", in_app(rust_manifest.Manifest.read, "Cargo.toml", "rust-toolchain"), (b"# nothing\n", b'[package]\n')),
    Target("Cargo.lock", in_app(rust_manifest.components, "Cargo.lock"), (b'[[package]]\nname="a"\nversion="1"\nsource="registry+x"\nchecksum="' + b"0" * 64 + b'"\n',)),
    Target("Rust's version", rust_version, (b"1.81", b"stable", b"^1.80")),
    Target("cargo's answer", members, CARGO),
    Target("what cargo built", in_app(lambda app: freshness.mark(app, app), "results", "src/main.rs"), (b'{"a":"b"}',)),
    Target("_headers", lambda data: [rule.regex() for rule in headers.parse(text_of(data))], (b"/a/*\n  X-A: b\n/:c\n  D: e\n",)),
    Target("_redirects", lambda data: [rule.directive() for rule in redirects.parse(text_of(data))], (b"/a /b 301\n/c/* /d/:splat 302!\n/e https://example.com/f 308\n/g/:h /i/:h\n",)),
    Target("Staticfile", in_app(lambda app: static_settings.Settings.read({}, app), "Staticfile"), (b"root: public\npushstate: enabled\nstatus_codes:\n  404: /404.html\n",)),
    Target("static settings", lambda data: static_settings.Settings.read({"BP_WEB_SERVER_ROOT": text_of(data), "BP_STATIC_ERROR_PAGES": text_of(data), "BP_WEB_SERVER_LOCATION_PATH": text_of(data)}, ROOT / "nowhere"), (b"404=/404.html,500=/x.html", b"/docs")),
    Target("static files", in_app(lambda app: [each.address for each in static_files.read(app)], "a/index.html", "a.0123456789abcdef.js"), (b"<html>",)),
)  # fmt: skip

ELSEWHERE = {
    "reads what Debian, Go, Maven, uv or Composer say, whose answers are proved by digest or signature": (
        "apt/lib/aptfile/alternatives.py", "go/lib/go/layers/bootstrap.py", "go/lib/go/layers/toolchain.py",
        "java/lib/java/cacerts.py", "java/lib/java/layers/jdk.py", "java/lib/java/layers/maven.py",
        "php/lib/php/layers/composer.py", "python/lib/python/layers/managed.py", "python/lib/python/layers/uv.py",
        "ruby/lib/ruby/layers/gems.py", "rust/lib/rust/layers/tests.py",
    ),
    "reads what the app's framework has built a moment before, and takes what it cannot read for nothing": (
        "nodejs/lib/nodejs/identity.py", "nodejs/lib/nodejs/nitro.py", "nodejs/lib/nodejs/layers/build_key.py",
    ),
    "goes by values that are read already": (
        "nodejs/lib/nodejs/settings.py", "nodejs/lib/nodejs/standalone.py",
    ),
}  # fmt: skip


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def test_no_parser_of_a_buildpack_is_without_properties() -> None:
    check_coverage(READERS, ELSEWHERE, ROOT)


@pytest.mark.parametrize("target", READERS, ids=lambda target: target.name)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_parser_ends_in_a_value_or_one_declared_error_and_always_in_the_same(
    target: Target, data: st.DataObject
) -> None:
    given_ = data.draw(inputs(target.seeds))

    assert outcome(target.read, given_) == outcome(target.read, given_)


RANGES: dict[str, Callable[[str, str], Callable[[Any], bool]]] = {
    "npm": ranges.satisfies,
    "Composer": php_versions.satisfies,
    "Python": python_versions.satisfies,
}
versions = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))


@pytest.mark.parametrize("language", RANGES)
@given(low=versions, high=versions, version=versions)
def test_a_range_accepts_what_lies_in_it_and_alternatives_come_in_any_order(
    language: str, low: Any, high: Any, version: Any
) -> None:
    assume(low <= high)
    satisfies = RANGES[language]
    first, second = (f">={'.'.join(map(str, one))}" for one in (low, high))
    between = f"{first},<{'.'.join(map(str, high))}"

    assert satisfies(first, "f")(version) == (version >= low)
    assert satisfies(between, "f")(version) == (low <= version < high)
    assert satisfies(f"{first} || {second}", "f")(version) == satisfies(f"{second} || {first}", "f")(version)


@given(st.lists(st.tuples(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), st.from_regex(r"[a-z][a-z ./:-]{0,20}[a-z]", fullmatch=True)), max_size=5))  # fmt: skip
def test_a_procfile_reads_back(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{name}: {command}\n" for name, command in lines)

    assert {line.type: line.command for line in procfile.parse(text)} == dict(lines)


def test_a_problem_is_what_a_buildpack_declares() -> None:
    with pytest.raises(Problem):
        procfile.parse("web")
