"""The phases of the lifecycle as programs: words, environment and files in, files and an exit code out.

| module | holds |
|---|---|
| `programs` | which phase is asked for, its words read, its error told, its exit code |
| `run` | what one was started with |
| `analyze`, `detect`, `restore`, `extend`, `build`, `export`, `create`, `rebase`, `launch`, `confirm` | one phase each |
| `stores`, `caches` | where the phases find and put images and layers |
"""
