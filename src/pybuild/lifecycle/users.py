"""Who a name in an image is: /etc/passwd and /etc/group of the file system that we are in.

Specification: OCI image-spec, "config.User".
"""

from __future__ import annotations

import grp
import pwd
from dataclasses import dataclass

from pybuild.errors import ExtendError


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Whom a program runs as, and at home where."""

    uid: int
    gid: int
    home: str


def resolve(text: str, *, where: str) -> User:
    """`user`, `uid`, `user:group` in any mixture; "" is root. Raises `ExtendError` for a name that nobody has."""
    name, _, group = (text or "0").partition(":")
    try:
        found = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        found = None
    if found is None and not name.isdigit():
        raise ExtendError(f"{where}: the image has no user {name!r} in /etc/passwd")
    uid = found.pw_uid if found else int(name)
    gid = found.pw_gid if found else 0
    return User(
        uid=uid,
        gid=resolve_group(group, where=where) if group else gid,
        home=found.pw_dir if found and found.pw_dir else ("/root" if uid == 0 else "/"),
    )


def resolve_group(text: str, *, where: str) -> int:
    """The number of a group given by name or number."""
    if text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError as exc:
        raise ExtendError(f"{where}: the image has no group {text!r} in /etc/group") from exc
