"""One module for each layer of the Go buildpack."""
