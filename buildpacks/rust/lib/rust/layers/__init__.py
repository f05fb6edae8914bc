"""One module for each layer of the Rust buildpack."""
