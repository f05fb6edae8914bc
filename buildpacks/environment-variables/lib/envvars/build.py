"""Writes the variables into a layer, from where the launcher takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envvars.variables import read
from pybuild.libcnb import output
from pybuild.libcnb.launch import Built
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pybuild.libcnb.context import BuildContext


def build(context: BuildContext) -> Built:
    """One layer, for launch only. Values are not shown."""
    output.heading(f"Environment variables buildpack {context.version}")
    variables = read(context.environ)
    layer = context.layers.fresh_layer("environment-variables", Types(launch=True))
    for variable in variables:
        layer.env(
            variable.name,
            variable.value,
            operation=variable.operation,
            scope="launch",
            delimiter=variable.delimiter,
        )
        output.section(f"{variable.name} ({variable.operation})")
        if variable.looks_secret:
            output.warning(
                f"{variable.name} looks like a secret, and everybody who has the image can read it.\n"
                "Give it to the container at run time, or bind it as a service."
            )
    return Built()
