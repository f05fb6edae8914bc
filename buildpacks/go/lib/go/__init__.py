"""The Go buildpack: a Go toolchain, static binaries of the app's programs, and nothing else in the image."""
