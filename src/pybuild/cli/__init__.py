"""Words to calls, results to words: the only place that prints or exits.

| module | holds |
|---|---|
| `start` | the programs `pybuild` and `pybuild-pack`: how each begins and ends |
| `main` | the `pybuild` command: chooses a subcommand, prints errors, exits |
| `build`; `build_options`, `pack_options` | the build; its options, and those that only `pack` had |
| `built`, `trail`, `why`, `id_files`, `file_list` | what a build came to: result, detection, layers, the image's name in a file; or which files it would get |
| `page`, `build_page`, `compare_page` | an HTML page; what a build or a comparison came to as one |
| `plan`, `detect`, `lock`, `verify`, `compare`, `rebase`, `run`, `debug` | one command each, of builds and images; `compare_table` shows a comparison |
| `inspect`, `size`, `sbom`, `signature`, `manifest` | what an image is, and what belongs to it |
| `builder`, `buildpack`, `buildpack_registry`, `extension` | groups of commands for those who make them |
| `making`, `packaging`, `scaffolding`; `builder_text`, `package_text`, `module_text` | what these share; what they print |
| `cache`, `config`, `config_lists`, `config_mirrors`, `doctor`, `report`, `version`, `completion` | this machine, its settings, this program |
| `options`, `display` | options that commands share; how much is shown, and how |
| `console`, `json_log`, `table`, `structured`, `yaml_text` | events for a person, for a program; data as text |
| `signals`, `terminal`, `bug` | Ctrl-C and SIGTERM; a program in a container on this terminal; the report of a bug of ours |
| `pack_compat`; `pack_arguments`, `pack_words`, `pack_texts`, `pack_build` | the program `pybuild-pack` and its parts |
| `phases`; `phase_run` | the phases as programs: which one, its errors and exit code; what one was started with |
| `phase_analyze`, `phase_detect`, `phase_restore`, `phase_extend`, `phase_build`, `phase_export`, `phase_create`, `phase_rebase`, `phase_launch`, `phase_confirm` | one phase each |
| `phase_stores`, `phase_caches` | where the phases find and put images and layers |
"""
