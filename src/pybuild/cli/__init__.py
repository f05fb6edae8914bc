"""Words to calls, results to words: the only place that prints or exits.

| module | holds |
|---|---|
| `main` | the `pybuild` command: chooses a subcommand, prints errors, exits |
| `build`, `detect`, `inspect`, `manifest`, `config`, `report`, … | one command each; `config_lists`, `config_mirrors` are the lists of `config` |
| `builder`, `buildpack`, `extension` | groups of them; `making`, `packaging`, `scaffolding` is what they share, `*_text` what they print |
| `pack_compat` | the program `pybuild-pack`; `pack_arguments`, `pack_words`, `pack_texts`, `pack_build` its parts |
| `options` | options that several commands share |
| `console` | shows events to a person |
| `signals` | Ctrl-C and SIGTERM |
| `bug` | the report of a bug of ours |
| `phases` | the phases as programs: which one, its errors and exit code; `phase_run` what one was started with |
| `phase_analyze`, `phase_detect`, `phase_restore`, `phase_build`, `phase_export`, `phase_create` | one phase each |
| `phase_stores` | where the phases find and put images |
"""
