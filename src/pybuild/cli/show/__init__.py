"""Events and results as what a person or a program reads.

| module | holds |
|---|---|
| `display` | the options for how much is shown, and how; the console that they lead to |
| `console`, `json_log` | events for a person, for a program |
| `table`, `structured`, `yaml_text` | rows as aligned text; data as JSON, YAML or TOML |
| `built`, `trail`, `why` | what a build came to: result, detection, layers |
| `page`, `build_page`, `compare_page`; `compare_table` | an HTML page; what a build or a comparison came to as one; a comparison for a terminal |
| `builder_text`, `package_text`, `module_text` | what `inspect` prints of builders and packages |
"""
