"""All that this buildpack tells a user whose variables it cannot take."""

from __future__ import annotations

from pybuild.libcnb.problem import Problem

_HELP = "BPE_NAME=value sets NAME; BPE_DEFAULT_NAME, BPE_APPEND_NAME and BPE_PREPEND_NAME (with BPE_DELIM_NAME) do less."


def no_name(given: str) -> Problem:
    """`BPE_` with nothing, or no name, after it."""
    return Problem(
        "A BPE_ variable names no variable",
        f"{given} should end in the name of a variable: letters, digits and _, no digit first.",
        steps=(_HELP,),
    )


def twice(name: str) -> Problem:
    """`BPE_X` and `BPE_OVERRIDE_X` with different values."""
    return Problem(
        "A variable is set twice",
        f"BPE_{name} and BPE_OVERRIDE_{name} mean the same but have different values.",
        steps=("Remove one of them.",),
    )


def nothing_to_delimit(name: str) -> Problem:
    """A delimiter without something to append or prepend."""
    return Problem(
        "A delimiter delimits nothing",
        f"BPE_DELIM_{name} is set, but neither BPE_APPEND_{name} nor BPE_PREPEND_{name} is.",
        steps=(f"Add one of them, or remove BPE_DELIM_{name}.",),
    )
