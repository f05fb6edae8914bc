"""Ruby gems made for a test: a `.gem` file as RubyGems packs it, of a few texts."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_METADATA = """\
--- !ruby/object:Gem::Specification
name: {name}
version: !ruby/object:Gem::Version
  version: {version}
platform: ruby
authors:
- Tests
bindir: bin
cert_chain: []
date: 2020-01-01 00:00:00.000000000 Z
dependencies: []
summary: made for a test
executables: {executables}
extensions: {extensions}
extra_rdoc_files: []
files: {files}
homepage: https://example.com/
licenses:
- MIT
metadata: {{}}
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
requirements: []
rubygems_version: 3.3.15
specification_version: 4
"""


def write_gem(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write `<name>-<version>.gem`; `ext/…/extconf.rb` is an extension, `bin/…` a program."""
    metadata = _METADATA.format(
        name=name,
        version=version,
        executables=_list(path.removeprefix("bin/") for path in files if path.startswith("bin/")),
        extensions=_list(path for path in files if path.endswith("extconf.rb")),
        files=_list(files),
    )
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path, text in files.items():
            _add(archive, path, text.encode())
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{version}.gem"
    with tarfile.open(target, "w") as archive:
        _add(archive, "metadata.gz", gzip.compress(metadata.encode(), mtime=0))
        _add(archive, "data.tar.gz", gzip.compress(data.getvalue(), mtime=0))
    return target


def _list(words: Iterable[str]) -> str:
    lines = [f"\n- {word}" for word in words]
    return "".join(lines) or "[]"


def _add(archive: tarfile.TarFile, path: str, data: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))
