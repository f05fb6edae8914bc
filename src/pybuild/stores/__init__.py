"""Places where images live, behind one small protocol.

| module | holds |
|---|---|
| `api` | what a store can do, and the values that go in and come out |
| `places` | places as users name them: `open_place` finds the store |
| `daemon`; `load`, `saved` | images in a Docker Engine; the archive that it is sent, what it saves |
| `registry`; `assemble`, `push`, `manifests`, `image_manifest`, `indexes`, `attachments` | images in a registry: written, found, believed, put together, attached to |
| `transport`; `connections`, `exchange`, `tokens`, `keychain`, `trust` | HTTP as a registry needs it: one request, logging in, credentials, certificates |
| `blobs`, `compress`, `senders` | blobs read and sent, made small, by a few threads |
| `layout`; `layout_dir`, `layout_index`, `layout_write`, `files`, `coming`, `archive_store` | images in OCI layouts, which are folders or tars |
| `several` | one image into several stores |
| `peek` | one small file of an image |
| `tar_cache`, `image_cache`, `launch_cache` | layers kept between builds: as tars, in an image, beside a store |
| `state`, `scratch` | small files of our own on this machine; temporary ones, which the next process removes if ours is killed |
"""
