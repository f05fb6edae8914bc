"""Builder images: read, made, and the default one.

| module | what it answers |
|---|---|
| `builder`, `builder_inspect`, `two_places`, `known_builders` | reading a builder image; which there are |
| `builder_launcher` | which launcher it has |
| `builder_create`, `builder_image`, `made` | making one; where it goes, for which targets |
| `lifecycle_archive`, `lifecycle_program` | the lifecycle in it: a given one, or ours, to which `stand_ins` belong |
| `bootstrap`; `bases`, `debian`, `recipe` | the default builder, made on first use, and the Debian images it stands on |
"""
