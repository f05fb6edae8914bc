"""`pybuild completion SHELL`: a script by which a shell completes our commands, options and some values."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from pybuild.cli.options import CONTEXT
from pybuild.errors import InvalidInput

SHELLS = ("bash", "zsh", "fish", "powershell")
PROGRAM, VARIABLE = "pybuild", "_PYBUILD_COMPLETE"

# PowerShell is asked for through bash's way of asking: the words so far, and which of them is being written.
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName pybuild -ScriptBlock {
    param($word, $ast, $cursor)
    $words = @($ast.CommandElements | ForEach-Object { $_.ToString() })
    $at = $words.Count
    if ($word -ne '') { $at = $words.Count - 1 }
    $env:COMP_WORDS = $words -join ' '
    $env:COMP_CWORD = $at
    $env:_PYBUILD_COMPLETE = 'bash_complete'
    try {
        pybuild | ForEach-Object {
            $kind, $value = $_.Split(',', 2)
            if ($kind -eq 'plain') {
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $value)
            }
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:_PYBUILD_COMPLETE
    }
}
"""


@click.command(
    "completion", context_settings=CONTEXT, epilog='Example, in ~/.bashrc:  eval "$(pybuild completion bash)"'
)
@click.argument("shell", metavar="bash|zsh|fish|powershell")
def command(shell: str) -> int:
    """Print the completion script of a shell, to be read when it starts.

    bash: eval "$(pybuild completion bash)". zsh: the same with zsh, after compinit. fish: pybuild completion fish | source.
    PowerShell: pybuild completion powershell | Out-String | Invoke-Expression.
    """
    sys.stdout.write(script(shell))
    return 0


def script(shell: str) -> str:
    """The script for one of `SHELLS`. Raises `InvalidInput` for another one."""
    if shell not in SHELLS:
        raise InvalidInput(
            f"{shell!r} is no shell that can complete: expected one of {', '.join(SHELLS)}",
            hint="pybuild completion bash",
        )
    if shell == "powershell":
        return _POWERSHELL
    from pybuild.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(f"click knows {shell}")
    return kind(cli, {}, PROGRAM, VARIABLE).source() + "\n"
