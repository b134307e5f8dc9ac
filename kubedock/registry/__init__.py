"""Image registries: whether a reference exists, its digest, and the image's configuration. No layer is ever fetched."""
