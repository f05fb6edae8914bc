"""`pybuild buildpack …`: from an empty folder to a package that others use."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.buildpack_registry import REGISTRY_COMMANDS
from pybuild.cli.making import making_options, registry_option
from pybuild.cli.options import CONTEXT, insecure_registry_option
from pybuild.cli.packaging import make, package_options, print_made, show
from pybuild.cli.scaffolding import new_options, scaffold
from pybuild.cli.show.display import Display, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.platform.buildpacks.buildpack_tests import Tested
    from pybuild.platform.buildpacks.lint import Finding


@click.group("buildpack", context_settings=CONTEXT)
def command() -> None:
    """Write, check, test, package and share buildpacks."""


@command.command(
    "new",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild buildpack new acme/web   |   pybuild buildpack new acme/web --lang python --path ./web",
)
@click.argument("id")
@new_options
@click.option(
    "--lang",
    type=click.Choice(["sh", "python"]),
    default="sh",
    show_default=True,
    help="What it is written in; Python comes with libcnb.",
)
@output_options
def new(
    id: str,  # noqa: A002 - the name of the argument
    *,
    lang: str,
    path: Path | None,
    api: str,
    version: str,
    targets: tuple[str, ...],
    display: Display,
) -> int:
    """Make the folder of a buildpack that works, with tests, to write on."""
    with display.console() as shown:
        scaffold(id, shown, kind="buildpack", lang=lang, path=path, api=api, version=version, targets=targets)
    return 0


@command.command(
    "test",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild buildpack test ./web   |   pybuild buildpack test ./web hello --verbose",
)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.argument("names", nargs=-1, metavar="[TEST]…")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on standard output.")
@output_options
def test(
    folder: Path,
    names: tuple[str, ...],
    *,
    as_json: bool,
    display: Display,
) -> int:
    """Run the tests of the buildpack in FOLDER (default: here): its detect and build, without an engine.

    Each folder `test/NAME` is a test: the app in `app`, what is expected in expect.toml. The buildpack runs as you, on
    this machine. Exit code 1 if a test fails.
    """
    with replace(display, quiet=True, verbose=False).console():
        from pybuild.platform.buildpacks.buildpack_tests import cases, run

        results = [run(folder, case) for case in cases(folder, names)]
    failed = [each for each in results if each.problems]
    if as_json:
        data = [
            {
                "name": each.name,
                "passed": not each.problems,
                "problems": list(each.problems),
                "output": each.output,
                "seconds": round(each.seconds, 3),
            }
            for each in results
        ]
        sys.stdout.write(json.dumps({"passed": not failed, "tests": data}, indent=2) + "\n")
        return 1 if failed else 0
    for each in results:
        _show_test(each, quiet=display.quiet, output=display.verbose)
    if not display.quiet:
        print(f"\n{len(results) - len(failed)} of {len(results)} tests passed")
    return 1 if failed else 0


def _show_test(result: Tested, *, quiet: bool, output: bool) -> None:
    from pybuild.cli.show.console import printable

    if not result.problems and quiet:
        return
    print(f"{'FAILED' if result.problems else 'passed'}  {printable(result.name)}  ({result.seconds:.2f} s)")
    for problem in result.problems:
        print(f"    {printable(problem)}")
    if result.problems or output:
        for line in result.output.splitlines():
            print(f"    | {printable(line)}")


@command.command(
    "lint",
    context_settings=CONTEXT,
    epilog="Example:  pybuild buildpack lint ./web --json",
)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on standard output.")
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@output_options
def lint(
    folder: Path,
    *,
    as_json: bool,
    strict: bool,
    display: Display,
) -> int:
    """Check the buildpack or extension in FOLDER (default: here) against the specification. Exit code 1 for errors."""
    with display.console():
        from pybuild.platform.buildpacks.lint import lint as check

        found = check(folder)
    errors = [each for each in found if strict or each.severity == "error"]
    if as_json:
        sys.stdout.write(
            json.dumps({"ok": not errors, "findings": [asdict(each) for each in found]}, indent=2) + "\n"
        )
        return 1 if errors else 0
    _show_findings([each for each in found if not display.quiet or each.severity == "error"])
    if not display.quiet:
        print(f"{folder}: {_count(found)}")
    return 1 if errors else 0


def _show_findings(found: Sequence[Finding]) -> None:
    from pybuild.cli.show.console import printable

    for each in found:
        print(f"{each.severity}: {printable(each.place)}: {printable(each.message)} [{each.id}]")
        if each.hint:
            print(f"  hint: {printable(each.hint)}")


def _count(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing is wrong"
    errors = sum(each.severity == "error" for each in found)
    warnings = len(found) - errors
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"


@command.command(
    "package",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild buildpack package acme/web --path ./web   |   pybuild buildpack package web.cnb -p ./web -f file"
    "   |   pybuild buildpack package registry.example.com/web -c package.toml --publish",
)
@click.argument("name")
@package_options
@click.option("--flatten", is_flag=True, help="Put all buildpacks into one layer.")
@click.option(
    "-e",
    "--flatten-exclude",
    "apart",
    multiple=True,
    metavar="ID@VERSION",
    help="With --flatten: a buildpack that keeps a layer of its own.",
)
@registry_option
@making_options
@output_options
def package(
    name: str,
    *,
    config: Path | None,
    path: Path | None,
    form: str,
    flatten: bool,
    apart: tuple[str, ...],
    registry: str | None,
    as_json: bool,
    display: Display,
    **making: Any,
) -> int:
    """Make the package NAME of a buildpack and all that it needs: an image, or with `--format file` a .cnb file.

    A buildpack in Python that imports libcnb carries a copy of it along.
    """
    with display.console() as shown:
        data = make(
            name,
            shown,
            kind="buildpack",
            config=config,
            path=path,
            form=form,
            registry=registry,
            making=making,
            flatten=flatten,
            apart=apart,
        )
    print_made(data, as_json=as_json, quiet=display.quiet)
    return 0


@command.command(
    "inspect",
    context_settings=CONTEXT,
    epilog="Examples:  pybuild buildpack inspect web.cnb   |   pybuild buildpack inspect docker://acme/web --json",
)
@click.argument("name")
@click.option(
    "-d",
    "--depth",
    type=int,
    default=-1,
    show_default=True,
    metavar="N",
    help="How deep the detection order is shown; -1: all of it.",
)
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on standard output.")
@insecure_registry_option
@output_options
def inspect(
    name: str,
    *,
    depth: int,
    registry: str | None,
    as_json: bool,
    insecure_registries: tuple[str, ...],
    display: Display,
) -> int:
    """Show what is in a package: an image, a .cnb file, its URL, or an id in a buildpack registry."""
    with display.console():
        show(
            name,
            kind="buildpack",
            registry=registry,
            as_json=as_json,
            insecure=insecure_registries,
            depth=depth,
            mixins=display.verbose,
        )
    return 0


for _each in REGISTRY_COMMANDS:
    command.add_command(_each)
