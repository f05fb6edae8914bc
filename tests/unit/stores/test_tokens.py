"""Tokens of registries: where they are got, how long they last, who sees them. F-10, S-40."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import RegistryError
from pybuild.stores.keychain import Credential
from pybuild.stores.tokens import Challenge, Tokens, may_show

if TYPE_CHECKING:
    from collections.abc import Mapping

PULL = ("repository:app:pull",)
CREDENTIAL = Credential(username="ann", password="of-nobody-else")


@dataclass
class TokenServer:
    """Gives a new token each time, valid for `seconds`; remembers what it was asked."""

    seconds: int = 300
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, _method: str, url: str, headers: Mapping[str, str], _body: bytes | None) -> bytes:
        self.asked.append((url, headers.get("Authorization", "")))
        return json.dumps({"token": f"token-{len(self.asked)}", "expires_in": self.seconds}).encode()


def tokens(server: TokenServer, realm: str, origin: str = "https://registry.example.com") -> Tokens:
    """Those of a registry that has just refused a first question."""
    made = Tokens(origin=origin, credential=CREDENTIAL)
    made.refused("", Challenge(kind="bearer", realm=realm, service="registry"), PULL, server)
    return made


def test_a_token_is_used_until_nine_tenths_of_its_time_have_passed_by_our_clock() -> None:
    """F-10."""
    server = TokenServer(seconds=1)
    ours = tokens(server, "https://auth.example.com/token")

    first = [ours.header(PULL, server) for _ in range(3)]
    time.sleep(0.95)
    second = ours.header(PULL, server)

    assert first == ["Bearer token-1"] * 3
    assert second == "Bearer token-2"


def test_a_token_is_never_shown() -> None:
    server = TokenServer()

    tokens(server, "https://auth.example.com/token")

    assert events.redact("the registry said: token-1 is not valid") == "the registry said: *** is not valid"


@pytest.mark.parametrize(
    ("realm", "told"),
    [
        ("http://auth.example.com/token", "wants us to get a token without TLS"),
        ("ftp://auth.example.com/token", "no such place"),
        ("https://ann:secret@auth.example.com/token", "no such place"),
        ("https:///token", "no such place"),
        ("https://[::1/token", "no such place"),
        ("", "no such place"),
    ],
)
def test_a_place_where_no_token_is_to_be_had_is_not_asked(realm: str, told: str) -> None:
    """S-40: a registry with TLS cannot have us show our credentials to who listens in."""
    server = TokenServer()

    with pytest.raises(RegistryError, match=told):
        tokens(server, realm)

    assert server.asked == []


@pytest.mark.parametrize(
    ("origin", "realm", "shown"),
    [
        ("https://registry.example.com", "https://registry.example.com/token", True),
        ("https://registry.example.com", "https://auth.example.com/token", True),
        ("https://example.com", "https://auth.example.com/token", True),
        ("https://registry.example.com", "https://example.org/token", False),
        ("https://registry.example.com", "https://example.com.evil.org/token", False),
        ("https://registry.example.com", "https://evilexample.com/token", False),
        ("https://192.0.2.7", "https://198.51.2.7/token", False),
        ("https://localhost", "https://auth.localhost/token", False),
    ],
)
def test_credentials_are_shown_to_a_token_server_of_the_registrys_domain_alone(
    origin: str, realm: str, shown: bool
) -> None:
    """S-40."""
    server = TokenServer()

    assert may_show(origin, realm) == shown
    tokens(server, realm, origin)

    assert [header for _, header in server.asked] == [CREDENTIAL.basic if shown else ""]
