"""The app's files as a tar: S-07 to S-12, F-32, PRJ-07, T1-03, T1-24."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import stat
import subprocess
import sys
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidFile, SourceUnusable
from pybuild.platform.app.selection import Selection
from pybuild.platform.app.source import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sent(source: Source, *, prefix: str = "") -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(sent_bytes(source, prefix=prefix))) as archive:
        return archive.getmembers()


def sent_bytes(source: Source, *, uid: int = 1000, gid: int = 2000, prefix: str = "") -> bytes:
    return b"".join(source.upload(uid=uid, gid=gid, prefix=prefix))


def names(folder: Path, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    return [
        member.name for member in sent(open_source(folder, Selection.of(include=include, exclude=exclude)))
    ]


def fill(folder: Path, *paths: str) -> Path:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return folder


def heard() -> tuple[list[str], object]:
    texts: list[str] = []
    return texts, lambda event: texts.append(event.text) if isinstance(event, events.Warned) else None


def test_files_keep_name_mode_and_time_and_belong_to_the_build_user(tmp_path: Path) -> None:
    fill(tmp_path, "bin/run", "index.php")
    (tmp_path / "bin/run").chmod(0o750)
    os.utime(tmp_path / "index.php", (1_600_000_000, 1_600_000_000))

    source = open_source(tmp_path)
    members = {member.name: member for member in sent(source)}

    assert list(members) == ["bin", "bin/run", "index.php"]
    assert members["bin/run"].mode == 0o750
    assert members["index.php"].mtime == 1_600_000_000
    assert {(member.uid, member.gid) for member in members.values()} == {(1000, 2000)}
    assert (source.files, source.size) == (2, len("bin/run" + "index.php"))


def test_the_prefix_is_a_folder_of_the_build_user(tmp_path: Path) -> None:
    members = sent(open_source(fill(tmp_path, "a")), prefix="/var/www")

    assert [(member.name, member.isdir(), member.uid) for member in members] == [
        ("var/www", True, 1000),
        ("var/www/a", False, 1000),
    ]


def test_the_upload_knows_its_digest_and_totals_afterwards(tmp_path: Path) -> None:
    upload = open_source(fill(tmp_path, "a", "b/c")).upload(uid=1, gid=1)

    content = b"".join(upload)

    assert upload.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (upload.files, upload.size) == (2, 4)


def test_what_only_the_owner_could_not_read_becomes_readable_for_him(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can read it in the first place")
    fill(tmp_path, "d/a")
    (tmp_path / "d/a").chmod(0o000)
    (tmp_path / "d").chmod(0o000)

    assert [member.mode for member in sent(open_source(tmp_path))] == [0o700, 0o400]


def test_symlinks_are_sent_as_they_are_and_never_followed(tmp_path: Path) -> None:
    """S-07."""
    app = fill(tmp_path / "app", "a")
    targets = {
        "abs": "/etc/passwd",
        "rel": "../../outside",
        "loop": "loop",
        "root": "/",
        "proc": "/proc/self/environ",
    }
    for name, target in targets.items():
        (app / name).symlink_to(target)

    members = sent(open_source(app))

    assert {member.name: member.linkname for member in members if member.issym()} == targets
    assert sum(member.isreg() for member in members) == 1


def test_a_symlink_to_the_app_itself_is_followed(tmp_path: Path) -> None:
    """T1-03."""
    fill(tmp_path / "app", "a")
    (tmp_path / "link").symlink_to("app")

    assert names(tmp_path / "link") == ["a"]


def test_sockets_and_fifos_stay_behind_with_a_warning(tmp_path: Path) -> None:
    """S-08."""
    fill(tmp_path, "a")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "sock"))
        texts, listen = heard()

        with events.listening(listen):  # type: ignore[arg-type]
            found = names(tmp_path)

    assert found == ["a"]
    assert [text.rpartition("/")[2] for text in texts] == [
        "pipe is a FIFO, so it is left out of the build",
        "sock is a socket, so it is left out of the build",
    ]


def test_a_device_stays_behind_with_a_warning(tmp_path: Path) -> None:
    """S-08: it is never opened; reading this one would never end."""
    fill(tmp_path, "a")
    try:
        os.mknod(tmp_path / "zeros", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user may not make devices")
    texts, listen = heard()

    with events.listening(listen):  # type: ignore[arg-type]
        assert names(tmp_path) == ["a"]

    assert [text.rpartition("/")[2] for text in texts] == [
        "zeros is a device, so it is left out of the build"
    ]


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"new\nline", b"\x1b[2J", b"tab\t", b"back\\slash", b"-rf", b"n" * 255, "ü".encode()],
)
def test_odd_names_arrive_byte_for_byte(tmp_path: Path, name: bytes) -> None:
    """S-10."""
    (tmp_path / os.fsdecode(name)).touch()

    (member,) = sent(open_source(tmp_path))

    assert os.fsencode(member.name) == name


def test_folders_may_lie_deeper_than_a_path_can_be_long(tmp_path: Path) -> None:
    """S-11."""
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=handle)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)

    last = sent(open_source(tmp_path))[-1].name

    assert last.endswith("/deep")
    assert len(last) == 30 * 201 + 4


def test_folders_nested_beyond_reason_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "/".join(["d"] * 250) + "/a")

    with pytest.raises(SourceUnusable, match="more than 200 folders"):
        open_source(tmp_path)


def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    """S-12."""
    fill(tmp_path, "a", "secret/key")
    (tmp_path / "secret").chmod(0)
    program = (
        "import sys; from pathlib import Path; from pybuild.platform.app.source import open_source\n"
        "from pybuild.errors import SourceUnusable\n"
        "try: open_source(Path(sys.argv[1]))\n"
        "except SourceUnusable as exc: print(exc)\n"
    )
    if os.geteuid() == 0:
        tmp_path.chmod(0o755)
        handle = os.open(tmp_path, os.O_RDONLY)
        found = subprocess.run(
            ["python3", "-c", program, f"/proc/self/fd/{handle}"],
            env={"PYTHONPATH": ":".join(__import__("sys").path), "PATH": os.environ["PATH"]},
            pass_fds=[handle],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(handle)
        if "Permission" in found.stderr:
            pytest.skip("this user cannot reach the sources of pybuild")
        said = found.stdout
    else:
        with pytest.raises(SourceUnusable) as caught:
            open_source(tmp_path)
        said = str(caught.value)

    assert "/secret cannot be read: Permission denied" in said


def test_a_file_that_grows_or_shrinks_while_it_is_read_leaves_the_tar_whole(tmp_path: Path) -> None:
    """F-32."""
    fill(tmp_path, "grows", "shrinks", "vanishes", "zlast")
    (tmp_path / "shrinks").write_bytes(b"x" * (1 << 20))
    source = open_source(tmp_path)
    reader = source.reader
    opened = reader.open
    changes: dict[bytes, Callable[[], object]] = {
        b"grows": lambda: (tmp_path / "grows").write_text("grows and grows"),
        b"shrinks": lambda: os.truncate(tmp_path / "shrinks", 10),
    }

    class Meddling:
        def walk(self):  # type: ignore[no-untyped-def]
            for found in reader.walk():
                if found.path == b"vanishes":
                    (tmp_path / "vanishes").unlink()
                yield found

        def open(self, found):  # type: ignore[no-untyped-def]
            file = opened(found)
            if change := changes.get(found.path):
                change()
            return file

    texts, listen = heard()
    with events.listening(listen):  # type: ignore[arg-type]
        members = sent(Source(path=tmp_path, files=4, size=0, reader=Meddling()))

    assert [(member.name, member.size) for member in members] == [
        ("grows", 5),
        ("shrinks", 1 << 20),
        ("zlast", 5),
    ]
    assert [text.split()[0] for text in texts] == ["grows", "shrinks", "vanishes"]


def test_a_hundred_thousand_files_are_sent_in_little_memory(tmp_path: Path) -> None:
    """F-32."""
    for folder in range(100):
        (tmp_path / f"{folder:02}").mkdir()
        handle = os.open(tmp_path / f"{folder:02}", os.O_RDONLY)
        for file in range(1000):
            os.close(os.open(f"{file:03}", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
        os.close(handle)
    program = (
        "import re, sys; from pathlib import Path; from pybuild.platform.app.source import open_source\n"
        "source = open_source(Path(sys.argv[1]))\n"
        "sent = sum(map(len, source.upload(uid=1, gid=1, prefix='')))\n"
        # Not `getrusage`: that begins with the memory of who has started it.
        "most = re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(source.files, sent // 512, int(most) >> 10)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    files, blocks, megabytes = map(int, ended.stdout.split())
    assert files == 100_000
    assert blocks >= 100_100
    assert megabytes < 250


@pytest.mark.parametrize("kind", ["empty", "excluded", "missing", "device"])
def test_without_files_there_is_nothing_to_build(tmp_path: Path, kind: str) -> None:
    path = {"missing": tmp_path / "no", "device": tmp_path / "pipe"}.get(kind, tmp_path)
    if kind == "device":
        os.mkfifo(path)
    (tmp_path / "folder").mkdir()
    if kind == "excluded":
        fill(tmp_path, "a.log")

    with pytest.raises(SourceUnusable) as caught:
        open_source(path, Selection.of(exclude=("*.log",)))

    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    for number in range(40):
        fill(tmp_path, *(f"{number}/{file}" for file in range(50)))
    source = open_source(tmp_path)
    tracemalloc.start()

    for _ in source.upload(uid=1, gid=1):
        pass

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


PATTERNS = [
    ("*.log", "!keep.log"),
    ("/build", "docs/*.md"),
    ("node_modules/",),
    ("**/tmp", "a/**/z"),
    ("dir/", "!dir/keep"),
    ("dir/*", "!dir/keep"),
    ("*", "!*.php", "!*/"),
    ("*", "!*/", "!*.php"),
    ("src/**", "!src/lib"),
    ("a/*", "!a/b", "b/*"),
    ("/a/*/z", "!z"),
    ("# a comment", "\\#file", "trailing\\ ", "[ab].txt", "[!a].txt", "?"),
    ("sub",),
    ("/*", "!/src"),
    ("src/**", "!src/**/"),
    ("foo\\*bar", "\\!bang"),
    (".*",),
    ("a/b/",),
    ("a/b",),
    ("**",),
    ("**/z/**",),
]
TREE = [
    "app.log",
    "keep.log",
    "build/x",
    "docs/r.md",
    "docs/sub/r.md",
    "node_modules/m/i.js",
    "sub/node_modules/j",
    "tmp/t",
    "a/tmp/t",
    "a/b/z",
    "a/b/c/z",
    "a/z",
    "dir/keep",
    "dir/other",
    "dir/deep/keep",
    "index.php",
    "src/index.php",
    "src/lib/x.php",
    "#file",
    "a.txt",
    "b.txt",
    "c.txt",
    "x",
    "foo*bar",
    "fooXbar",
    "!bang",
    ".env",
    ".git/config",
    "a/y/z/q",
    "sub/sub",
]


@pytest.mark.parametrize("patterns", PATTERNS, ids=" ".join)
def test_patterns_mean_what_they_mean_to_git(tmp_path: Path, patterns: tuple[str, ...]) -> None:
    """PRJ-07: what git would ignore is excluded, and only that is included."""
    app = fill(tmp_path / "app", *TREE)
    (app / "trailing ").write_text("")
    files = sorted([*TREE, "trailing "])
    ignored = ignored_by_git(tmp_path, files, patterns)

    def sent_files(*, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
        try:
            source = open_source(app, Selection.of(include=include, exclude=exclude))
        except SourceUnusable:
            return []
        return sorted(member.name for member in sent(source) if not member.isdir())

    assert sent_files(exclude=patterns) == [file for file in files if file not in ignored]
    assert sent_files(include=patterns) == [file for file in files if file in ignored]


def ignored_by_git(tmp_path: Path, files: list[str], patterns: tuple[str, ...]) -> set[str]:
    repository = fill(tmp_path / "git", *(file for file in files if not file.startswith(".git/")))
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    subprocess.run(["git", "init", "-q", repository], check=True, env=environ)
    (repository / ".git/info/exclude").write_text("")
    outside = tmp_path / "patterns"
    outside.write_text("\n".join(patterns) + "\n")
    done = subprocess.run(
        ["git", "-c", f"core.excludesFile={outside}", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository,
        input="\0".join(files),
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )
    return set(filter(None, done.stdout.split("\0")))


def test_a_folder_is_only_sent_if_something_in_it_is_included(tmp_path: Path) -> None:
    fill(tmp_path, "a/b/x.go", "a/c/x.py", "y.go")

    assert names(tmp_path, include=("*.go",)) == ["a", "a/b", "a/b/x.go", "y.go"]


def test_an_include_can_reach_nothing_outside(tmp_path: Path) -> None:
    """S-13."""
    fill(tmp_path, "hostsecret", "app/a")

    assert names(tmp_path / "app", include=("../hostsecret", "/etc/passwd", "a")) == ["a"]


def test_include_and_exclude_exclude_each_other() -> None:
    """PRJ-06."""
    with pytest.raises(InvalidFile, match="found both"):
        Selection.of(include=("a",), exclude=("b",))
