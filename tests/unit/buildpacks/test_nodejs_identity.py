"""What Next.js and Astro draw at each build is the same for the same app: its identity is made of its files, keys are kept."""

from __future__ import annotations

import base64
import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from nodejs import identity, nitro
from nodejs.layers import build_key
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layers

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {build_key.NEXT: base64.b64encode(b"k" * 32).decode()}


def building(folder: Path, **environ: str) -> BuildContext:
    return BuildContext(
        app=folder,
        buildpack=folder,
        layers=Layers(folder / "layers"),
        platform=folder / "platform",
        plan=(),
        store={},
        target=Target(),
        environ=environ,
        version="1",
        exec_env="production",
    )


def build_by_next(app: Path, *, drawn: str, keys: str, page: str = "hello") -> None:
    """What `next build` leaves, with the places where it writes what it has drawn."""
    preview = {
        "previewModeId": (keys + "0") * 16,
        "previewModeSigningKey": keys * 63 + "1",
        "previewModeEncryptionKey": keys * 63 + "2",
    }
    for folder in (".next", ".next/standalone/.next"):
        written = {
            "BUILD_ID": drawn,
            "prerender-manifest.json": json.dumps({"routes": {}, "preview": preview}),
            "server/app/index.html": f"<html>{page} <!--{drawn}-->",
            f"static/{drawn}/_buildManifest.js": "self.__BUILD_MANIFEST={}",
            "server/chunk.js": "code",
        }
        for name, text in written.items():
            (app / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (app / folder / name).write_text(text)
    (app / ".next/trace").write_text(f'{{"startTime": {time.time_ns()}}}')
    (app / ".next/standalone/node_modules").mkdir()
    (app / ".next/standalone/node_modules/x.js").write_text(drawn)


def tree(app: Path) -> dict[str, str]:
    return {str(file.relative_to(app)): file.read_text() for file in app.rglob("*") if file.is_file()}


def test_the_same_app_built_by_next_is_the_same_bytes(tmp_path: Path) -> None:
    for name, drawn, keys in (("a", "j7rD1t2P4IAciN5u8vnTk", "d"), ("b", "RK_fdMVFtCy6BNioVEYkC", "e")):
        build_by_next(tmp_path / name, drawn=drawn, keys=keys)
        (tmp_path / name / ".next/standalone/node_modules/x.js").write_text("of a package")

        identity.settle(tmp_path / name, KEYS)

    first = tree(tmp_path / "a")
    assert first == tree(tmp_path / "b")
    new = first[".next/BUILD_ID"]
    assert len(new) == 21
    assert "ad" not in new
    assert first[".next/standalone/.next/BUILD_ID"] == new
    assert first[f".next/standalone/.next/static/{new}/_buildManifest.js"]
    assert first[".next/server/app/index.html"] == f"<html>hello <!--{new}-->"
    preview = json.loads(first[".next/prerender-manifest.json"])["preview"]
    assert [len(value) for value in preview.values()] == [32, 64, 64]
    assert len({*preview.values()}) == 3
    assert ".next/trace" not in first


def test_another_page_or_another_chunk_is_another_identity(tmp_path: Path) -> None:
    for name, page, chunk in (("a", "hello", "1"), ("b", "bye", "1"), ("c", "hello", "2")):
        build_by_next(tmp_path / name, drawn="j7rD1t2P4IAciN5u8vnTk", keys="d", page=page)
        (tmp_path / name / ".next/server/chunk.js").write_text(chunk)

        identity.settle(tmp_path / name, KEYS)

    assert len({(tmp_path / name / ".next/BUILD_ID").read_text() for name in "abc"}) == 3


def test_packages_are_not_touched(tmp_path: Path) -> None:
    build_by_next(tmp_path, drawn="j7rD1t2P4IAciN5u8vnTk", keys="d")

    identity.settle(tmp_path, KEYS)

    assert (tmp_path / ".next/standalone/node_modules/x.js").read_text() == "j7rD1t2P4IAciN5u8vnTk"


@pytest.mark.parametrize("why", ["named by the app", "not drawn", "compressed", "not of Next.js"])
def test_an_identity_that_was_not_drawn_or_cannot_be_replaced_stays(why: str, tmp_path: Path) -> None:
    drawn = "9f1c0de" if why == "not drawn" else "j7rD1t2P4IAciN5u8vnTk"
    build_by_next(tmp_path, drawn=drawn, keys="d")
    if why == "named by the app":
        (tmp_path / "next.config.mjs").write_text("export default { generateBuildId: () => commit }")
    if why == "compressed":
        (tmp_path / ".next/server/app/index.html.br").write_text("squeezed")
    if why == "not of Next.js":
        (tmp_path / ".next/prerender-manifest.json").unlink()

    identity.settle(tmp_path, KEYS)

    assert (tmp_path / ".next/BUILD_ID").read_text() == drawn


def test_the_keys_are_kept_for_the_next_build_and_for_two_weeks(tmp_path: Path) -> None:
    first = build_key.environ(building(tmp_path))
    file = tmp_path / "layers/build-cache/key.json"

    assert build_key.environ(building(tmp_path)) == first
    assert first[build_key.NEXT] != first[build_key.ASTRO]
    assert len(base64.b64decode(first[build_key.NEXT])) == 32
    assert file.stat().st_mode & 0o777 == 0o600

    for spoilt in (
        {"until": time.time() - 1},
        {"until": time.time() + 10 * build_key.SECONDS},
        {"key": "eA=="},
    ):
        file.write_text(json.dumps({**json.loads(file.read_text()), **spoilt}))
        again = build_key.environ(building(tmp_path))
        assert again != first
        first = again


def test_keys_that_the_user_gives_are_taken(tmp_path: Path) -> None:
    given = {build_key.NEXT: "bm90IGRyYXdu", build_key.ASTRO: "bm90IGRyYXdu"}

    assert build_key.environ(building(tmp_path, **given)) == given
    assert not (tmp_path / "layers/build-cache").exists()
    one = build_key.environ(building(tmp_path, **{build_key.NEXT: "bm90IGRyYXdu"}))
    assert one[build_key.NEXT] == "bm90IGRyYXdu"
    assert one[build_key.ASTRO] != "bm90IGRyYXdu"


def build_by_nuxt(app: Path, *, drawn: str, second: int, page: str = "hello") -> None:
    """What `nuxt build` leaves."""
    time = f"2026-11-29T17:10:{second:02}.169Z"
    latest = json.dumps({"id": drawn, "timestamp": 1795972215000 + second})
    listed = [
        f"""  "/{name}": {{
    "type": "application/json",
    "etag": "\\"47-{second}{"x" * 20}\\"",
    "mtime": "{time}",
    "size": 71,
    "path": "../public/{name}"
  }}"""
        for name in (f"_nuxt/builds/meta/{drawn}.json", "favicon.ico")[:: 1 if second % 2 else -1]
    ]
    written = {
        "nitro.json": json.dumps({"date": time, "preset": "node-server"}),
        "public/_nuxt/builds/latest.json": latest,
        f"public/_nuxt/builds/meta/{drawn}.json": latest,
        "server/chunks/nitro/nitro.mjs": "\n".join(
            ["const assets = {", f"{listed[0]},", listed[1], "};", f'const id = "{drawn}";']
        ),
        "server/chunks/page.mjs": page,
        "server/node_modules/vue/index.js": "vue",
    }
    for name, text in written.items():
        (app / ".output" / name).parent.mkdir(parents=True, exist_ok=True)
        (app / ".output" / name).write_text(text)


A, B = "f645c3d6-beb3-4e77-ad1a-1fda65753300", "0aa1c3d6-beb3-4e77-ad1a-1fda65753311"


def built_again(tmp_path: Path, page: str) -> tuple[dict[str, str], dict[str, str]]:
    """The output of two builds with the same cache, as they are left."""
    build_by_nuxt(tmp_path, drawn=A, second=11)
    nitro.settle(building(tmp_path))
    first = tree(tmp_path / ".output")
    shutil.rmtree(tmp_path / ".output")
    build_by_nuxt(tmp_path, drawn=B, second=22, page=page)
    nitro.settle(building(tmp_path))
    return first, tree(tmp_path / ".output")


def test_nuxt_built_again_keeps_its_identity_and_its_times(tmp_path: Path) -> None:
    first, second = built_again(tmp_path, "hello")

    assert first["nitro.json"].startswith('{"date": "2026-11-29T17:10:11.169Z"')
    assert second == first


def test_another_page_of_nuxt_is_another_identity_with_its_own_times(tmp_path: Path) -> None:
    first, second = built_again(tmp_path, "bye")

    assert json.loads(second["public/_nuxt/builds/latest.json"])["id"] == B
    assert "2026-11-29T17:10:22" in second["server/chunks/nitro/nitro.mjs"]
    assert f"public/_nuxt/builds/meta/{A}.json" not in second
    assert first != second


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{date: "2026-11-29T17:10:11.169Z"}', '{date: "2026-11-30T17:10:11.169Z"}'),
        ('{mtime: "2026-11-29T17:10:11.169Z"}', '{mtime: "2026-11-30T17:10:11.169Z"}'),
        (A, B.replace("0aa1", "0bb1")),
    ],
)
def test_times_of_the_app_itself_are_none_of_the_build(before: str, after: str, tmp_path: Path) -> None:
    build_by_nuxt(tmp_path, drawn=A, second=11, page=f"hello {before}")
    nitro.settle(building(tmp_path))
    shutil.rmtree(tmp_path / ".output")
    build_by_nuxt(tmp_path, drawn=B, second=22, page=f"hello {after}")
    nitro.settle(building(tmp_path))

    assert (tmp_path / ".output/server/chunks/page.mjs").read_text() == f"hello {after}"
    assert B in (tmp_path / ".output/public/_nuxt/builds/latest.json").read_text()


def test_an_identity_that_the_app_names_is_the_new_one(tmp_path: Path) -> None:
    build_by_nuxt(tmp_path, drawn="commit-9f1c0de000", second=11)
    nitro.settle(building(tmp_path))
    shutil.rmtree(tmp_path / ".output")
    build_by_nuxt(tmp_path, drawn="commit-8e2b1cd000", second=22)
    nitro.settle(building(tmp_path))

    assert "commit-8e2b1cd000" in (tmp_path / ".output/public/_nuxt/builds/latest.json").read_text()


def test_the_list_of_pages_of_astro_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    for name, drawn in (("a", "BVaqbs0o"), ("b", "CJXhKo5y")):
        server = tmp_path / name / "dist/server"
        server.mkdir(parents=True)
        (server / f"manifest_{drawn}.mjs").write_text(f'{{"@astrojs-manifest": "manifest_{drawn}.mjs"}}')
        (server / "entry.mjs").write_text(f"import {{ manifest }} from './manifest_{drawn}.mjs'")

        identity.settle(tmp_path / name, KEYS)

    first = tree(tmp_path / "a")
    assert first == tree(tmp_path / "b")
    (new,) = (name for name in first if "manifest_" in name)
    assert len(new) == len("dist/server/manifest_BVaqbs0o.mjs")
    assert (
        first["dist/server/entry.mjs"] == f"import {{ manifest }} from './{new.removeprefix('dist/server/')}'"
    )
