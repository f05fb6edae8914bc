"""Words to calls, results to words: the only place that prints or exits.

| module | holds |
|---|---|
| `main` | the `pybuild` command: chooses a subcommand, prints errors, exits |
| `build`, `detect`, `cache`, `doctor`, `version` | one command each |
| `options` | options that several commands share |
| `console` | shows events to a person |
| `signals` | Ctrl-C and SIGTERM |
| `bug` | the report of a bug of ours |
"""
