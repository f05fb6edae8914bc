"""`pybuild IMAGE --list-files`: which of the app's files a build would get, without a build."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import human_size

if TYPE_CHECKING:
    from pybuild.platform.request import BuildRequest


def list_files(request: BuildRequest, *, as_json: bool) -> None:
    """Print every file with its size, in the order in which they are sent; the sum goes to standard error."""
    from pybuild.platform.app.source_entry import shown_name
    from pybuild.platform.prepare import app_source, read_project

    source = app_source(request, read_project(request))
    found = [(shown_name(each.path), each.size) for each in source.reader.walk() if each.kind != "d"]
    if as_json:
        data: dict[str, Any] = {
            "files": [{"path": path, "size_bytes": size} for path, size in found],
            "size_bytes": source.size,
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{human_size(size):>9}  {path}\n" for path, size in found)
        print(f"{len(found)} files, {human_size(source.size)}", file=sys.stderr)
    sys.stdout.flush()
