"""Who signed an image, and what it was made of.

| module | what it answers |
|---|---|
| `keys`, `signatures` | keys, and signatures made and checked with them |
| `attest`, `provenance` | what comes along with a published image |
| `policy` | what a build demands of builders and run images |
"""
