"""Our own builder, and those that others publish and maintain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBuilder:
    """One of them. `suggested` False: there is a newer one."""

    vendor: str
    image: str
    description: str
    suggested: bool = True


OURS = KnownBuilder(
    vendor="pybuild",
    image="pybuild/builder:debian-12",
    description="Made on this machine of Debian's packages, when it is first needed",
)
KNOWN_BUILDERS = (
    KnownBuilder(
        vendor="Google",
        image="gcr.io/buildpacks/builder:google-22",
        description="Ubuntu 22.04 with buildpacks for .NET, Dart, Go, Java, Node.js, PHP, Python and Ruby",
    ),
    KnownBuilder(
        vendor="Heroku",
        image="heroku/builder:26",
        description="Ubuntu 26.04 for amd64 and arm64 with buildpacks for .NET, Go, Java, Node.js, Python and Scala",
        suggested=False,
    ),
    KnownBuilder(
        vendor="Heroku",
        image="heroku/builder:24",
        description="Ubuntu 24.04 for amd64 and arm64 with buildpacks for Go, Java, Node.js, PHP, Python, Ruby and Scala",
    ),
    KnownBuilder(
        vendor="Heroku",
        image="heroku/builder:22",
        description="Ubuntu 22.04 with buildpacks for Go, Java, Node.js, PHP, Python, Ruby and Scala",
        suggested=False,
    ),
    KnownBuilder(
        vendor="Heroku",
        image="heroku/builder:20",
        description="Ubuntu 20.04 with buildpacks for Go, Java, Node.js, PHP, Python, Ruby and Scala",
        suggested=False,
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/builder-jammy-base",
        description="Ubuntu 22.04, small, with buildpacks for Java, Node.js, Go, .NET Core, Python and Ruby",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/builder-jammy-full",
        description="Ubuntu 22.04, large, with buildpacks for Java, Node.js, Go, .NET Core, Python, Ruby and PHP",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/builder-jammy-tiny",
        description="Ubuntu 22.04 with a distroless run image and buildpacks for Go and Java",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/builder-jammy-buildpackless-static",
        description="Ubuntu 22.04 with an all but empty run image, for static programs of Go or Rust",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/ubuntu-noble-builder",
        description="Ubuntu 24.04 with buildpacks for Java, Node.js and .NET Core",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/builder-ubi8-base",
        description="Red Hat's UBI 8 with buildpacks for Node.js and Java; uses image extensions",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/ubi-9-builder",
        description="Red Hat's UBI 9 with buildpacks for Node.js; uses image extensions",
    ),
    KnownBuilder(
        vendor="Paketo Buildpacks",
        image="paketobuildpacks/ubi-10-builder",
        description="Red Hat's UBI 10 with buildpacks for Node.js; uses image extensions",
    ),
)
