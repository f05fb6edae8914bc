"""The routes, with notes kept in memory."""

from __future__ import annotations

import pytest

from notes import create_app
from notes.store import Note


class Memory:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def answers(self) -> bool:
        return True

    def add(self, text: str) -> None:
        self.texts.append(text)

    def newest(self) -> list[Note]:
        return [Note(number, text) for number, text in reversed([*enumerate(self.texts, 1)])]


@pytest.fixture
def client():
    return create_app(Memory()).test_client()


def test_a_note_is_kept_and_shown_escaped(client) -> None:
    assert client.post("/notes", data={"text": "<b>hello</b>"}).status_code == 303

    assert "&lt;b&gt;hello&lt;/b&gt;" in client.get("/").text
    assert client.get("/api/notes").json == [{"id": 1, "text": "<b>hello</b>"}]


@pytest.mark.parametrize("text", ["", "  ", "x" * 201])
def test_an_empty_or_endless_note_is_refused(client, text: str) -> None:
    assert client.post("/notes", data={"text": text}).status_code == 422
