"""Where the notes are: PostgreSQL, found through DATABASE_URL, which the image takes from the service binding."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg

TABLE = "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)"


@dataclass(frozen=True)
class Note:
    """One note."""

    id: int
    text: str


class Store:
    """Notes by the address of a database; a connection for each question."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    def from_environment(cls) -> Store:
        """The store that DATABASE_URL names."""
        return cls(os.environ.get("DATABASE_URL", "postgresql://localhost/notes"))

    def answers(self) -> bool:
        """Whether the database can be asked."""
        try:
            with psycopg.connect(self.url, connect_timeout=3):
                return True
        except psycopg.OperationalError:
            return False

    def add(self, text: str) -> None:
        """Keep a note."""
        with psycopg.connect(self.url) as connection:
            connection.execute(TABLE)
            connection.execute("INSERT INTO notes (text) VALUES (%s)", (text,))

    def newest(self, most: int = 50) -> list[Note]:
        """The newest notes first."""
        with psycopg.connect(self.url) as connection:
            connection.execute(TABLE)
            rows = connection.execute("SELECT id, text FROM notes ORDER BY id DESC LIMIT %s", (most,))
            return [Note(*row) for row in rows]
