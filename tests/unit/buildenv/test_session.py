"""The host's end of the conversation with a build container, before a peer made of canned answers."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.buildenv import session as module
from pybuild.buildenv.pipe import Pipe
from pybuild.buildenv.session import Session, SessionEnded
from pybuild.errors import BuildError, EngineUnavailable, TimedOut
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def frame(data: bytes, kind: int = 1) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


class Peer:
    """The other end: reads messages as the loop does, and answers with what the test says."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.stream = end.makefile("rb")
        self.key = b""

    def message(self) -> tuple[bytes, bytes]:
        """The mark and the text of the next message."""
        if not self.key:
            self.key = self.stream.readline().strip()
        key, lines, mark = self.stream.readline().split()
        assert key == self.key
        return mark, b"".join(self.stream.readline() for _ in range(int(lines)))

    def say(self, mark: bytes, word: bytes) -> None:
        self.end.sendall(frame(b"\0" + mark + b" " + word + b"\n"))


@pytest.fixture
def ends() -> Iterator[tuple[Session, Peer]]:
    ours, theirs = socket.socketpair()
    session, peer = Session(ours), Peer(theirs)
    yield session, peer
    session.close()
    peer.stream.close()
    theirs.close()


def answering(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_message_is_sent_with_the_key_and_its_output_and_status_come_back(
    ends: tuple[Session, Peer],
) -> None:
    session, peer = ends
    seen: list[bytes] = []

    def answer() -> None:
        for _ in range(2):
            mark, text = peer.message()
            seen.append(text)
            peer.end.sendall(frame(b"left over from before"))
            peer.say(mark, b"begin")
            peer.end.sendall(frame(b"hel") + frame(b"complaint", 2) + frame(b"lo\n"))
            peer.say(mark, b"ended 3")

    thread = answering(answer)
    written: list[bytes] = []

    assert session.carry_out(b"two\nlines", written.append, doing="x") == 3
    assert session.complaints() == "complaint"
    assert session.carry_out(b"more\n", written.append, doing="x") == 3
    thread.join()
    assert seen == [b"two\nlines\n", b"more\n"]
    assert b"".join(written) == b"hello\nhello\n"
    assert re.fullmatch(rb"[0-9a-f]{32}", peer.key)


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([b"\0", b"\0MARK", b"text", b"\n", b"\xff", b"\0MAR", b" ended 7\n"]), max_size=12
    ),
    st.integers(1, 40),
)
def test_output_is_whole_however_the_stream_is_cut(pieces: list[bytes], size: int) -> None:
    """F-26"""
    sent = b"".join(piece.replace(b"MARK", b"m" * 31) for piece in pieces)
    ours, theirs = socket.socketpair()
    with theirs:
        session, peer = Session(ours), Peer(theirs)

        def answer() -> None:
            mark, _ = peer.message()
            data = b"\0" + mark + b" begin\n" + sent + b"\0" + mark + b" ended 0\n"
            stream = b"".join(frame(data[at : at + size]) for at in range(0, len(data), size))
            for at in range(0, len(stream), 7):
                theirs.sendall(stream[at : at + 7])

        thread = answering(answer)
        written: list[bytes] = []
        assert session.carry_out(b":", written.append, doing="x") == 0
        thread.join()
        session.close()
        peer.stream.close()
    assert b"".join(written) == sent


def test_what_could_begin_a_mark_is_held_back_only_until_it_does_not(ends: tuple[Session, Peer]) -> None:
    session, peer = ends
    written: list[bytes] = []
    passed = threading.Event()

    def answer() -> None:
        mark, _ = peer.message()
        peer.say(mark, b"begin")
        peer.end.sendall(frame(b"shown\0" + mark[:5]))
        passed.wait(5)
        peer.end.sendall(frame(b"no mark"))
        peer.say(mark, b"ended 0")

    def output(data: bytes) -> None:
        written.append(data)
        passed.set()

    thread = answering(answer)
    session.carry_out(b":", output, doing="x")
    thread.join()

    assert written[0] == b"shown"
    assert re.fullmatch(rb"shown\0[0-9a-f]{5}no mark", b"".join(written))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (b"interfered", "bin/build interfered with the build"),
        (b"lost", "bin/build killed the shell"),
        (b"?", "killed"),
    ],
)
def test_what_the_loop_reports_is_an_error(ends: tuple[Session, Peer], word: bytes, said: str) -> None:
    session, peer = ends
    thread = answering(lambda: peer.say(peer.message()[0], word))

    with pytest.raises(BuildError, match=said):
        session.carry_out(b":", lambda _: None, doing="bin/build")
    thread.join()


def test_a_closed_connection_ends_the_session(ends: tuple[Session, Peer]) -> None:
    session, peer = ends
    peer.end.shutdown(socket.SHUT_RDWR)

    with pytest.raises(SessionEnded):
        session.carry_out(b":", lambda _: None, doing="x")


def test_a_stream_that_is_no_multiplexed_output_is_refused(ends: tuple[Session, Peer]) -> None:
    session, peer = ends
    peer.end.sendall(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")

    with pytest.raises(EngineUnavailable, match="not a container's output"):
        session.carry_out(b":", lambda _: None, doing="x")


def test_a_deadline_ends_the_wait(ends: tuple[Session, Peer]) -> None:
    session, _ = ends
    session.deadline = time.monotonic() + 0.2

    with pytest.raises(TimedOut, match="bin/build took longer"):
        session.carry_out(b":", lambda _: None, doing="bin/build")
    assert time.monotonic() - session.deadline < allowed(1)


def test_a_silent_message_is_asked_after(ends: tuple[Session, Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)
    session, peer = ends
    questions: list[bytes] = []

    def answer() -> None:
        mark, _ = peer.message()
        for _ in range(3):
            questions.append(peer.stream.readline())
            peer.say(mark, b"alive")
        peer.say(mark, b"ended 0")

    thread = answering(answer)

    assert session.carry_out(b":", lambda _: None, doing="x") == 0
    thread.join()
    assert questions == [peer.key + b" 0 -\n"] * 3


def test_a_message_that_something_else_read_is_told_and_not_waited_for(
    ends: tuple[Session, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-20"""
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)
    session, peer = ends

    def answer() -> None:
        first, _ = peer.message()
        peer.say(first, b"ended 0")
        peer.message()
        asked = peer.stream.readline().split()
        assert asked == [peer.key, b"0", b"-"]
        # The second never reached the loop, which still speaks of the first.
        peer.say(first, b"lost")

    thread = answering(answer)
    assert session.carry_out(b"one", lambda _: None, doing="a test") == 0
    with pytest.raises(BuildError, match="a test interfered with the build: something read from"):
        session.carry_out(b"two", lambda _: None, doing="a test")
    thread.join()


def test_an_engine_that_does_not_answer_at_all_is_given_up(
    ends: tuple[Session, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-02"""
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.3)
    session, _ = ends

    with pytest.raises(EngineUnavailable, match="has not answered for 0 seconds during bin/build"):
        session.carry_out(b":", lambda _: None, doing="bin/build")


def test_an_engine_that_takes_no_input_is_given_up(
    ends: tuple[Session, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-02"""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
    session, _ = ends

    with pytest.raises(EngineUnavailable, match="takes no input"):
        session.carry_out(b"x" * (4 << 20), lambda _: None, doing="x")


class TestPipe:
    def test_what_is_written_to_a_pipe_comes_whole_before_the_end(self, ends: tuple[Session, Peer]) -> None:
        session, peer = ends
        pipe = Pipe()

        def answer() -> None:
            mark, _ = peer.message()
            peer.say(mark, b"begin")
            with pipe.path.open("wb") as writer:
                writer.write(bytes(5_000_000))
                writer.write(b"end")
            peer.say(mark, b"ended 4")

        thread = answering(answer)
        stream = session.stream(b":", doing="x", pipe=pipe)
        written = bytearray()
        status = 0
        try:
            while True:
                written += next(stream)
        except StopIteration as end:
            status = end.value
        thread.join()
        pipe.close()

        assert (len(written), bytes(written[-3:]), status) == (5_000_003, b"end", 4)

    def test_one_that_nobody_writes_to_any_more_is_no_reason_to_give_up_or_to_be_busy(
        self, ends: tuple[Session, Peer]
    ) -> None:
        session, peer = ends
        pipe = Pipe()
        with pipe.path.open("wb"):
            pass

        def answer() -> None:
            mark, _ = peer.message()
            peer.say(mark, b"begin")
            time.sleep(1)
            peer.say(mark, b"ended 0")

        thread = answering(answer)
        before = time.thread_time()
        assert list(session.stream(b":", doing="x", pipe=pipe)) == []
        thread.join()
        pipe.close()

        assert time.thread_time() - before < 0.5

    def test_a_deadline_ends_the_wait_for_one(self, ends: tuple[Session, Peer]) -> None:
        session, _ = ends
        pipe = Pipe()
        session.deadline = time.monotonic() + 0.2

        with pytest.raises(TimedOut):
            next(session.stream(b":", doing="x", pipe=pipe))
        pipe.close()

    def test_its_path_is_open_to_nobody_else_and_goes_with_it(self) -> None:
        pipe = Pipe()

        assert pipe.path.parent.stat().st_mode & 0o777 == 0o700
        assert pipe.path.stat().st_mode & 0o777 == 0o666
        pipe.close()
        pipe.close()
        assert not pipe.path.parent.exists()
