"""The program `pybuild-pack`, for scripts that call `pack`.

| module | holds |
|---|---|
| `compat` | the program: what `pack` would do, done by our commands |
| `arguments`, `options` | what pack's command lines mean; options of a build that only `pack` had |
| `build` | `pack build` and `pack rebase` |
| `words`, `texts` | pack's lines for what we tell; its texts that have no counterpart here |
"""
