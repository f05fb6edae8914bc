"""Images as bytes: tar streams, digests, names, configurations and manifests, and what makes them valid."""
