"""Where buildpacks run: this machine, or one container. `api` says what both do."""
