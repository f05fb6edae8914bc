"""App images that are there.

| module | what it answers |
|---|---|
| `run` | it runs here |
| `rebase`, `rebase_places` | it moves to a newer run image |
| `inspect`, `size`, `file_classes` | what it says of itself, what makes it large |
| `sbom`, `sbom_merge`, `sbom_changes` | what is in it |
| `compare`, `differences`, `image_facts`, `entry_changes` | what differs between two, as values |
| `compare_stored`, `compare_build` | finding the two, or building them with pybuild and with pack |
| `manifest_lists` | indexes that a user puts together |
"""
