"""OpenAPI documents: as scripts of a stub, and as what a live application is held to."""
