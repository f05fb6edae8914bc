"""The Rust buildpack: a Rust toolchain, the app's binaries, and nothing else in the image."""
