"""All that this buildpack tells a user whose settings it cannot follow."""

from __future__ import annotations

from pybuild.libcnb.problem import Problem


def version_unknown(wanted: str, available: tuple[str, ...]) -> Problem:
    """`BP_NGINX_VERSION` asks for something that the package sources lack."""
    return Problem(
        "The requested nginx version is not available",
        f"BP_NGINX_VERSION asks for {wanted}; the package sources of this builder have {', '.join(available) or 'none'}.",
        steps=("Unset BP_NGINX_VERSION to get the newest one.", "Or ask for one of those named above."),
    )
