"""HTTP/1.1 on the wire.  Knows nothing of tests or stubs."""
