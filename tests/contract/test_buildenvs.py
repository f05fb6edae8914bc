"""What every build environment does, proved for this machine, a container with GNU tools, and one with busybox."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import BuildEnv, Command, Entry, Refused
from pybuild.errors import BuildError, PybuildError
from pybuild.oci import tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(slots=True)
class Place:
    """A build environment and a fresh, writable folder in it."""

    env: BuildEnv
    root: str
    has_stamp: bool
    written: list[bytes] = field(default_factory=list)

    def command(self, text: str, *, result: str = "", cwd: str = "/", **environ: str) -> Command:
        argv = ("/bin/sh", "-c", text)
        return Command(argv=argv, environ={"PATH": PATH, **environ}, cwd=cwd, result=result)

    def sh(self, text: str, **options: str) -> tuple[int, bytes]:
        self.written.clear()
        status = self.env.run(self.command(text, **options), self.written.append)
        return status, b"".join(self.written)

    def program(self, *argv: str, **environ: str) -> tuple[int, bytes]:
        self.written.clear()
        command = Command(argv=argv, environ=environ, cwd="/")
        return self.env.run(command, self.written.append), b"".join(self.written)

    def prepare(self, text: str) -> None:
        self.env.script(f"cd {self.root} || exit\n{text}")


@pytest.fixture
def place(kind: str, env: BuildEnv, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    if kind == "local":
        return Place(env=env, root=str(tmp_path), has_stamp=True)
    root = f"/workspace/{abs(hash(request.node.nodeid))}"
    env.script(f"mkdir {root}")
    return Place(env=env, root=root, has_stamp=kind == "gnu")


# Waits for the end of a process, up to a minute. One that was killed may be a zombie for as long as nobody collects it.
GONE = """n=0; while read -r _ _ state _ </proc/{}/stat && [ $state != Z ]; do
  n=$((n+1)); [ $n -lt 600 ] || { read -r line </proc/{}/stat; echo "$line"; exit 1; }; sleep 0.1
done 2>/dev/null"""


class TestRun:
    @pytest.mark.parametrize("status", [0, 1, 100, 255])
    def test_the_exit_code_is_the_status(self, place: Place, status: int) -> None:
        assert place.sh(f"exit {status}") == (status, b"")

    @pytest.mark.parametrize(("signal", "number"), [("KILL", 9), ("TERM", 15), ("SEGV", 11)])
    def test_a_signal_is_128_and_its_number(self, place: Place, signal: str, number: int) -> None:
        assert place.sh(f"kill -{signal} $$")[0] == 128 + number

    def test_standard_output_and_error_come_as_they_were_written(self, place: Place) -> None:
        status, output = place.sh("echo one; echo two >&2; printf 'three\\0\\377\\n\\033[2J'")

        assert (status, output) == (0, b"one\ntwo\nthree\0\xff\n\x1b[2J")

    def test_output_comes_while_the_program_runs(self, place: Place) -> None:
        times: list[float] = []
        place.env.run(place.command("echo 1; sleep 1.5; echo 2"), lambda _: times.append(time.monotonic()))

        assert times[-1] - times[0] > 0.2

    def test_a_line_of_5_mb_and_many_nuls_arrive_whole(self, place: Place) -> None:
        """F-26"""
        status, output = place.sh("head -c 5000000 /dev/zero; echo end")

        assert status == 0
        assert output == bytes(5_000_000) + b"end\n"

    def test_the_environment_is_exactly_the_one_given(self, place: Place) -> None:
        environ = {
            "PATH": PATH,
            "EMPTY": "",
            "SPACES": "  two  words ",
            "QUOTES": 'it\'s "$HOME" `id` \\n %s',
            "LINES": "first\nsecond\n",
            "BYTES": "\udcff\udcfe\udc81é\u0081Á",
            "with-dash": "x",
            "EQUALS": "a=b=c",
        }

        status, output = place.program("env", **environ)

        expected = {f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in environ.items()}
        lines = b"LINES=first\nsecond\n\n"
        assert status == 0
        assert lines in output
        assert set(output.replace(lines, b"").splitlines()) == expected - {lines[:-1]}

    def test_arguments_arrive_unchanged(self, place: Place) -> None:
        arguments = ["", " ", "*", "$(id)", "a'b", "new\nline", "-n", "\udcff"]

        _, output = place.program("/bin/sh", "-c", "printf '<%s>' \"$@\"", "sh", *arguments)

        assert output == b"<>< ><*><$(id)><a'b><new\nline><-n><\xff>"

    def test_the_working_directory_is_the_one_given(self, place: Place) -> None:
        place.prepare("mkdir 'a dir'")

        assert place.sh("pwd -P", cwd=f"{place.root}/a dir") == (0, f"{place.root}/a dir\n".encode())

    def test_standard_input_is_empty(self, place: Place) -> None:
        assert place.sh("cat; echo end") == (0, b"end\n")

    def test_a_program_that_is_missing_has_a_status_and_a_message(self, place: Place) -> None:
        status, output = place.program(f"{place.root}/missing")

        assert status in (-1, 126, 127)
        assert b"missing" in output

    def test_a_program_that_is_not_executable_has_a_status_and_a_message(self, place: Place) -> None:
        place.prepare("echo 'exit 0' >program; chmod 644 program")

        status, output = place.program(f"{place.root}/program")

        assert status in (-1, 126, 127)
        assert b"program" in output

    def test_a_program_whose_interpreter_is_missing_has_a_status_and_a_message(self, place: Place) -> None:
        place.prepare("echo '#!/nope/sh' >program; chmod 755 program")

        status, output = place.program(f"{place.root}/program")

        assert status in (-1, 126, 127)
        assert b"program" in output

    def test_a_working_directory_that_is_missing_has_a_status_and_a_message(self, place: Place) -> None:
        status, output = place.sh("echo never", cwd=f"{place.root}/missing")

        assert status in (-1, 126, 127)
        assert b"missing" in output

    def test_background_children_do_not_delay_the_end_and_are_killed(self, place: Place) -> None:
        """F-25"""
        status, said = place.sh("sleep 900 & echo $!")

        assert status == 0
        assert place.sh(GONE.replace("{}", str(int(said)))) == (0, b"")

    def test_a_child_in_the_background_that_floods_the_output_is_killed(self, place: Place) -> None:
        """F-25"""
        assert place.sh("yes & sleep 0.1; exit 3")[0] == 3


class TestRunAll:
    def test_no_commands_give_no_results(self, place: Place) -> None:
        assert place.env.run_all([]) == []

    def test_commands_run_at_the_same_time(self, place: Place) -> None:
        """Each waits for all others to come."""
        there = " && ".join(f"[ -e {place.root}/{n} ]" for n in range(4))

        done = place.env.run_all(
            [place.command(f"touch {place.root}/{n}; until {there}; do sleep 0.05; done") for n in range(4)]
        )

        assert [completed.status for completed in done] == [0, 0, 0, 0]

    def test_each_command_has_its_own_status_output_and_result(self, place: Place) -> None:
        texts = [
            f"echo out{n}; echo err{n} >&2; echo plan{n} >{place.root}/p{n}; exit {n}" for n in (0, 1, 100)
        ]
        commands = [
            place.command(text, result=f"{place.root}/p{n}")
            for n, text in zip((0, 1, 100), texts, strict=True)
        ]

        done = place.env.run_all(commands)

        assert [c.status for c in done] == [0, 1, 100]
        assert [c.output for c in done] == [b"out0\nerr0\n", b"out1\nerr1\n", b"out100\nerr100\n"]
        assert [c.result for c in done] == [b"plan0\n", b"plan1\n", b"plan100\n"]
        assert place.env.read_files([f"{place.root}/*"]) == {}

    def test_a_result_that_the_command_does_not_touch_is_empty(self, place: Place) -> None:
        assert place.env.run_all([place.command(":", result=f"{place.root}/p")])[0].result == b""

    @pytest.mark.parametrize(
        "text",
        ["rm p", "rm p; ln -s /etc/passwd p", "rm p; mkfifo p", "rm p; mkdir p", "truncate -s 2000000 p"],
    )
    def test_a_result_that_is_not_a_small_regular_file_is_none(self, place: Place, text: str) -> None:
        """S-29, S-30"""
        command = place.command(text, result=f"{place.root}/p", cwd=place.root)

        done = place.env.run_all([command])

        assert done[0].status == 0
        assert done[0].result is None

    def test_a_long_output_keeps_its_end(self, place: Place) -> None:
        done = place.env.run_all([place.command("head -c 3000000 /dev/zero; echo end")])[0]

        assert len(done.output) == 1 << 20
        assert done.output.endswith(b"\0end\n")

    def test_signals_and_programs_that_cannot_start_have_a_status(self, place: Place) -> None:
        missing = Command(argv=(f"{place.root}/missing",), environ={}, cwd="/")

        done = place.env.run_all([place.command("kill -9 $$"), missing, place.command("echo fine")])

        assert done[0].status == 137
        assert done[1].status in (-1, 126, 127)
        assert b"missing" in done[1].output
        assert (done[2].status, done[2].output) == (0, b"fine\n")

    def test_processes_left_behind_are_killed(self, place: Place) -> None:
        """F-25"""
        (done,) = place.env.run_all([place.command("sleep 900 & echo $!")])

        assert done.status == 0
        assert place.sh(GONE.replace("{}", str(int(done.output)))) == (0, b"")


class TestScript:
    def test_its_output_is_returned(self, place: Place) -> None:
        assert place.env.script("printf 'a\\0b'; echo noise >&2") == b"a\0b"

    def test_a_failure_is_an_error_with_what_it_said(self, place: Place) -> None:
        with pytest.raises(BuildError, match=r"ended with 3: oh no"):
            place.env.script("echo oh no >&2; exit 3")

    def test_a_syntax_error_is_an_error(self, place: Place) -> None:
        with pytest.raises(BuildError):
            place.env.script("if then")


class TestReadFiles:
    def test_nothing_is_read_for_no_pattern_and_no_match(self, place: Place) -> None:
        assert place.env.read_files([]) == {}
        assert place.env.read_files([f"{place.root}/*.toml", f"{place.root}/missing"]) == {}

    def test_contents_come_by_path(self, place: Place) -> None:
        place.prepare(
            "mkdir x y empty; echo one >x/a.toml; : >x/b.toml; printf '\\0\\377' >y/a.toml; echo no >x/c.txt"
        )

        assert place.env.read_files([f"{place.root}/*/*.toml", f"{place.root}/x/[c-d].t?t"]) == {
            f"{place.root}/x/a.toml": b"one\n",
            f"{place.root}/x/b.toml": b"",
            f"{place.root}/y/a.toml": b"\0\xff",
            f"{place.root}/x/c.txt": b"no\n",
        }

    def test_a_file_that_two_patterns_name_is_read_once(self, place: Place) -> None:
        place.prepare("echo one >a")

        assert place.env.read_files([f"{place.root}/a", f"{place.root}/*"]) == {f"{place.root}/a": b"one\n"}

    def test_odd_names_are_right(self, place: Place) -> None:
        """S-10"""
        names = [
            "-rf",
            "new\nline",
            " space ",
            "\udcff\udcfe\udc81",
            "esc\x1b[2J",
            "back\\slash",
            "é'\"",
            "x" * 255,
        ]
        contents = {f"{place.root}/{name}": name.encode("utf-8", "surrogateescape") for name in names}
        entries = [(_file(path.rpartition("/")[2], len(data)), data) for path, data in contents.items()]
        place.env.unpack(place.root, tar.write(entries))

        assert place.env.read_files([f"{place.root}/*"]) == contents
        assert place.env.read_files(list(contents)[:3]) == dict(list(contents.items())[:3])

    def test_what_could_lead_elsewhere_or_block_is_refused(self, place: Place) -> None:
        """S-29, S-30"""
        place.prepare(
            "mkfifo fifo; ln -s /etc/passwd link; ln -s nowhere dangling; mkdir dir; ln -s dir dirlink"
        )

        assert place.env.read_files([f"{place.root}/*", "/dev/null", "/dev/zero"]) == {
            f"{place.root}/fifo": Refused(why="not a regular file"),
            f"{place.root}/link": Refused(why="symlink"),
            f"{place.root}/dangling": Refused(why="symlink"),
            f"{place.root}/dirlink": Refused(why="symlink"),
            "/dev/null": Refused(why="not a regular file"),
            "/dev/zero": Refused(why="not a regular file"),
        }

    def test_a_file_over_the_limit_is_refused(self, place: Place) -> None:
        place.prepare("printf 12345 >five; printf 123456 >six; truncate -s 3000000000 sparse")

        assert place.env.read_files([f"{place.root}/*"], limit=5) == {
            f"{place.root}/five": b"12345",
            f"{place.root}/six": Refused(why="too large"),
            f"{place.root}/sparse": Refused(why="too large"),
        }


class TestScan:
    def test_a_missing_root_is_empty(self, place: Place) -> None:
        listing = place.env.scan([f"{place.root}/missing"])[0]

        assert (listing.root, len(listing.entries)) == (f"{place.root}/missing", 0)

    def test_every_path_is_told_with_its_kind_mode_size_and_target(self, place: Place) -> None:
        place.prepare(
            "mkdir t t/sub; printf 12345 >t/file; chmod 4751 t/file; ln -s ../file t/sub/link; mkfifo t/fifo;"
            "chmod 600 t/fifo; chmod 1770 t/sub; chmod 755 t; touch -d @1000000001 t/file"
        )

        found = place.env.scan([f"{place.root}/t"])[0].entries

        assert [
            (entry.path.removeprefix(place.root), entry.kind, entry.mode)
            for entry in found
            if entry.kind != "l"
        ] == [
            ("/t", "d", 0o755),
            ("/t/fifo", "p", 0o600),
            ("/t/file", "f", 0o4751),
            ("/t/sub", "d", 0o1770),
        ]
        by_name = {entry.path.rpartition("/")[2]: entry for entry in found}
        assert (by_name["link"].kind, by_name["link"].target) == ("l", "../file")
        assert (by_name["file"].size, by_name["file"].mtime) == (5, 1_000_000_001_000_000_000)
        assert (by_name["file"].uid, by_name["file"].gid) == (place.env.uid, place.env.gid)

    def test_entries_are_sorted_by_the_bytes_of_their_paths(self, place: Place) -> None:
        place.prepare("mkdir t t/a; touch t/a/x t/a.b t/a-b t/é t/Z")

        paths = [
            entry.path.removeprefix(f"{place.root}/t")
            for entry in place.env.scan([f"{place.root}/t"])[0].entries
        ]

        assert paths == ["", "/Z", "/a", "/a-b", "/a.b", "/a/x", "/é"]

    def test_several_roots_come_in_order_also_when_one_is_a_file_or_a_symlink(self, place: Place) -> None:
        place.prepare("mkdir b; touch b/x a; ln -s b link")
        roots = [f"{place.root}/{name}" for name in ("b", "missing", "a", "link")]

        found = place.env.scan(roots)

        assert [listing.root for listing in found] == roots
        assert [[entry.kind for entry in listing.entries] for listing in found] == [
            ["d", "f"],
            [],
            ["f"],
            ["l"],
        ]

    def test_odd_names_are_right(self, place: Place) -> None:
        """S-10"""
        names = ["-rf", "new\nline", "\udcff\udcfe\udc81", "back\\slash", "x" * 255]
        place.env.unpack(place.root, tar.write([(_file(name, 0), b"") for name in names]))

        found = place.env.scan([place.root])[0].entries

        assert {entry.path for entry in found[1:]} == {f"{place.root}/{name}" for name in names}

    def test_hard_links_share_an_inode(self, place: Place) -> None:
        place.prepare("mkdir t; echo x >t/a; ln t/a t/b; echo y >t/c")

        found = {entry.path[-1]: entry for entry in place.env.scan([f"{place.root}/t"])[0].entries}

        assert found["a"].inode == found["b"].inode != found["c"].inode

    def test_the_same_tree_has_the_same_stamp_twice(self, place: Place) -> None:
        place.prepare("mkdir t; echo x >t/a; ln -s a t/l")

        first, second = (place.env.scan([f"{place.root}/t"])[0].stamp for _ in range(2))

        assert first == second
        assert bool(first) == place.has_stamp

    @pytest.mark.parametrize(
        "change",
        [
            "echo y >>t/a",
            "printf z >t/a",
            "cat t/a >t/new && mv t/new t/a",
            "touch -d @1000000000 t/a",
            "printf y >t/a; touch -d @1000000000 t/a",
            "chmod 600 t/a",
            "chmod 700 t",
            "rm t/a",
            "touch t/b",
            "mv t/a t/b",
            "ln t/a b",
            "rm t/l; ln -s b t/l",
            "rm t/a; mkdir t/a",
            "rm t/a; mkfifo t/a",
        ],
    )
    def test_every_kind_of_change_changes_the_stamp(self, place: Place, change: str) -> None:
        if not place.has_stamp:
            assert place.env.scan([place.root])[0].stamp == ""
            return
        place.prepare("mkdir t; printf x >t/a; touch -d @1000000000 t/a; ln -s a t/l")
        before = place.env.scan([f"{place.root}/t"])[0]

        place.prepare(change)

        assert place.env.scan([f"{place.root}/t"])[0].stamp != before.stamp


class TestPack:
    def test_a_tree_comes_back_as_it_went_in(self, place: Place) -> None:
        """S-10, S-31"""
        uid, gid = place.env.uid, place.env.gid
        sent = [
            (_entry(b"t", tar.DIRECTORY, 0o750, uid, gid), b""),
            (_entry(b"t/file", tar.FILE, 0o4755, uid, gid, size=5), b"12345"),
            (_entry(b"t/first", tar.FILE, 0o755, uid, gid), b""),
            (_entry(b"t/hard", tar.HARD_LINK, 0o755, uid, gid, linkname=b"t/first"), b""),
            (_entry(b"t/link", tar.SYMLINK, 0o777, uid, gid, linkname=b"/not/there"), b""),
            (_entry(b"t/new\nline \xff\xfe", tar.FILE, 0o600, uid, gid, size=1), b"n"),
            (_entry(b"t/sub", tar.DIRECTORY, 0o1777, uid, gid), b""),
            (_entry(b"t/sub/" + b"x" * 255, tar.FILE, 0o644, uid, gid, size=2), b"xx"),
        ]
        place.env.unpack(place.root, tar.write(sent))

        with place.env.pack(f"{place.root}/t") as chunks:
            found = [(member, body.read()) for member, body in tar.read(chunks)]

        assert [
            (m.name.rstrip(b"/"), m.mode & 0o7777 if m.kind != tar.SYMLINK else 0, m.uid, m.gid)
            for m, _ in found
        ] == [(e.name, e.mode if e.kind != tar.SYMLINK else 0, uid, gid) for e, _ in sent]
        contents = {m.name: data for m, data in found if m.kind == tar.FILE}
        assert contents[b"t/file"] == b"12345"
        assert contents[b"t/new\nline \xff\xfe"] == b"n"
        assert {m.name: m.linkname for m, _ in found if m.kind in (tar.SYMLINK, tar.HARD_LINK)} == {
            b"t/hard": b"t/first",
            b"t/link": b"/not/there",
        }

    def test_one_file_can_be_packed(self, place: Place) -> None:
        place.prepare("printf 12345 >file")

        with place.env.pack(f"{place.root}/file") as chunks:
            found = [(member.name, body.read()) for member, body in tar.read(chunks)]

        assert found == [(b"file", b"12345")]

    def test_a_missing_path_is_an_error(self, place: Place) -> None:
        with pytest.raises(PybuildError, match="missing"), place.env.pack(f"{place.root}/missing") as chunks:
            list(chunks)

    def test_packing_can_be_given_up_early(self, place: Place) -> None:
        place.prepare("truncate -s 100000000 big")

        with place.env.pack(f"{place.root}/big") as chunks:
            assert next(iter(chunks))

        assert place.env.script("echo still here") == b"still here\n"

    def test_unpacking_goes_over_what_is_there(self, place: Place) -> None:
        place.prepare("mkdir t; echo old >t/a; echo keep >t/b")

        place.env.unpack(place.root, tar.write([(_file("t/a", 3), b"new")]))

        assert place.env.read_files([f"{place.root}/t/*"]) == {
            f"{place.root}/t/a": b"new",
            f"{place.root}/t/b": b"keep\n",
        }

    def test_unpacking_a_stream_that_breaks_off_is_an_error(self, place: Place) -> None:
        def breaking() -> Iterator[bytes]:
            yield tar.header(_file("a", 600))
            raise BuildError("the source ended")

        with pytest.raises(BuildError, match="the source ended"):
            place.env.unpack(place.root, breaking())

    def test_nothing_of_a_stream_that_broke_off_is_written_later(self, place: Place) -> None:
        """S-26, S-27: what it left is removed then, and must not come back behind our back."""
        place.prepare("mkdir t")

        def breaking() -> Iterator[bytes]:
            yield tar.header(_entry(b"d", tar.DIRECTORY, 0o755, place.env.uid, place.env.gid))
            # Few enough that the engine has not begun with them.
            for number in range(9):
                yield tar.header(_file(f"d/{number}", 600)) + b"x" * 600 + tar.padding(600)
            raise BuildError("the source ended")

        with pytest.raises(BuildError, match="the source ended"):
            place.env.unpack(f"{place.root}/t", breaking())
        place.env.script(f"rm -r {place.root}/t/d; sleep 0.4")

        assert place.env.script(f"find {place.root}/t ! -path {place.root}/t") == b""


def _entry(
    name: bytes, kind: bytes, mode: int, uid: int, gid: int, *, size: int = 0, linkname: bytes = b""
) -> tar.TarEntry:
    return tar.TarEntry(name=name, kind=kind, mode=mode, uid=uid, gid=gid, size=size, linkname=linkname)


def _file(name: str, size: int) -> tar.TarEntry:
    return _entry(
        name.encode("utf-8", "surrogateescape"), tar.FILE, 0o644, os.getuid(), os.getgid(), size=size
    )


def test_entries_of_both_kinds_of_place_are_the_same_type(place: Place) -> None:
    assert all(isinstance(entry, Entry) for entry in place.env.scan([place.root])[0].entries)
