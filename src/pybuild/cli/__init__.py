"""Words to calls, results to words: the only place that prints or exits.

| module | holds |
|---|---|
| `start` | the programs `pybuild` and `pybuild-pack`: how each begins and ends |
| `main` | the `pybuild` command: chooses a subcommand, prints errors, exits |
| `build`; `build_options` | the build; its options |
| `plan`, `detect`, `file_list`, `lock`, `verify`, `compare`, `rebase`, `run`, `debug` | one command each, of builds and images |
| `inspect`, `size`, `sbom`, `signature`, `manifest` | what an image is, and what belongs to it |
| `builder`, `buildpack`, `buildpack_registry`, `extension`; `making`, `packaging`, `scaffolding` | groups of commands for those who make them; what these share |
| `cache`, `config`, `config_lists`, `config_mirrors`, `doctor`, `report`, `version`, `completion` | this machine, its settings, this program |
| `options`, `id_files` | options that commands share; the image's name in a file |
| `signals`, `terminal`, `bug` | Ctrl-C and SIGTERM; a program in a container on this terminal; the report of a bug of ours |
| `show` | events and results as what a person or a program reads |
| `pack` | the program `pybuild-pack` |
| `phases` | the phases of the lifecycle as programs |
"""
