"""The environment-variables buildpack: variables of the app from `BPE_` variables of the build."""
