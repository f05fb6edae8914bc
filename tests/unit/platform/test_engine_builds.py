"""What the engine's builder gets: the Dockerfile with `build_id` where it is needed, the context without what is left out."""

from __future__ import annotations

from pybuild.lifecycle.dockerignore import Ignore
from pybuild.oci import tar
from pybuild.platform.engine_builds import context, for_engine

BASE = "sha256:base"
LABEL = "LABEL io.pybuild.kind=extended\n"


def made(text: str) -> str:
    return for_engine(text.encode(), BASE, where="x").decode()


def test_the_base_is_the_very_image_and_every_step_has_our_label() -> None:
    text = "# escape=`\nARG base_image\nFROM --platform=x ${base_image} AS y\nRUN a `\n  b\n# c\nUSER 1\n"

    assert made(text) == f"# escape=`\nARG base_image\nFROM {BASE}\n{LABEL}RUN a `\n  b\n# c\nUSER 1\n"


def test_build_id_is_declared_right_before_it_is_referred_to() -> None:
    text = "FROM x\nARG build_id=0\nRUN first\nCOPY a b\nRUN echo ${build_id}\nRUN last\n"

    assert made(text) == (
        f"FROM {BASE}\n{LABEL}RUN first\nCOPY a b\nARG build_id=0\nRUN echo ${{build_id}}\nRUN last\n"
    )


def test_build_id_stays_where_nothing_refers_to_it_or_only_what_comes_before() -> None:
    for text in ("ARG build_id\nRUN a\n", "RUN echo $build_id\nARG build_id\n", "RUN echo $build_ids\n"):
        assert made(f"FROM x\n{text}") == f"FROM {BASE}\n{LABEL}{text}"


def test_the_context_begins_at_its_own_root() -> None:
    entries = [
        (tar.TarEntry(b"app/", tar.DIRECTORY, 0o755, 0, 0), b""),
        (tar.TarEntry(b"app/a", tar.FILE, 0o640, 7, 8, 1), b"a"),
        (tar.TarEntry(b"app/b", tar.HARD_LINK, 0o640, 7, 8, 0, b"app/a"), b""),
        (tar.TarEntry(b"app/secret", tar.FILE, 0o600, 0, 0, 1), b"s"),
        (tar.TarEntry(b"app/.dockerignore", tar.FILE, 0o600, 0, 0, 7), b"secret\n"),
    ]
    own = b"secret\n"

    found = {
        member.name: (member.kind, member.linkname, body.read())
        for member, body in tar.read(
            context(tar.write(entries), b"FROM x\n", (own, Ignore.read(own, where="x")))
        )
    }

    assert found == {
        b".pybuild.Dockerfile": (tar.FILE, b"", b"FROM x\n"),
        b"a": (tar.FILE, b"", b"a"),
        b"b": (tar.HARD_LINK, b"a", b""),
        b".dockerignore": (tar.FILE, b"", b"secret\n.pybuild.Dockerfile\n"),
    }
