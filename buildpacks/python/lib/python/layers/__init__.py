"""One module for each layer of the Python buildpack."""
