"""One module for each layer of the PHP buildpack."""
