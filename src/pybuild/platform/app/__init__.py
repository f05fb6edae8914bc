"""The app's source: which of its files are sent, and how.

| module | what it answers |
|---|---|
| `source`; `source_folder`, `source_zip`, `source_entry` | the files of a folder or a zip, as a tar |
| `selection`, `ignore_files` | which of them |
| `source_notes`, `lookalikes` | what in the source, or in the choice of its folder, will surprise its owner |
"""
