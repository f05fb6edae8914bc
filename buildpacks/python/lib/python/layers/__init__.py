"""One module for each layer."""
