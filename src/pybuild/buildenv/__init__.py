"""Where buildpacks run: this machine, or one container.

| module | holds |
|---|---|
| `api` | what both can do |
| `local`; `processes`, `trees` | this machine: programs side by side, trees in and out |
| `container`; `container_spec`, `session`, `session_stream`, `scripts`, `pipe`, `wire` | one container: the conversation with its shell, what is sent, a pipe straight to us |
| `output_limit` | how much programs may write |
| `listing`, `archives` | what stands in a tree, the same in both |
"""
