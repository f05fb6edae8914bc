"""Layers `cargo` and `target`: what Cargo downloaded and compiled, kept for the next build."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import output

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext
    from rust.layers.toolchain import Toolchain

MOST_BYTES = 4 << 30


def environ(context: BuildContext, toolchain: Toolchain) -> dict[str, str]:
    """The variables of every `cargo` of this build. The user's RUSTFLAGS and CARGO_… stay as they are."""
    home = context.layers.tool_cache("cargo").path
    results = context.layers.tool_cache(
        "target", key={"rust": toolchain.version, "arch": context.target.arch}
    ).path
    if _size(results) > MOST_BYTES:
        output.step(f"What was compiled is begun anew: it had grown beyond {MOST_BYTES >> 30} GiB")
        shutil.rmtree(results)
        results.mkdir()
    authorities = context.environ.get("SSL_CERT_FILE", "")
    libraries = [*map(str, toolchain.libraries), context.environ.get("LD_LIBRARY_PATH", "")]
    return {
        "PATH": f"{toolchain.bin}:{context.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "CARGO_HOME": str(home),
        "CARGO_TARGET_DIR": str(results),
        # Half-made results cannot be kept; whole crates are.
        "CARGO_INCREMENTAL": "0",
        "CARGO_TERM_COLOR": "never",
        "CARGO_TERM_PROGRESS_WHEN": "never",
        # Git knows the credentials of bindings, Cargo's own client does not.
        "CARGO_NET_GIT_FETCH_WITH_CLI": "true",
        **({"CARGO_HTTP_CAINFO": authorities} if authorities else {}),
    }


def _size(folder: Path) -> int:
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)
