"""The test-case classes, under every runner."""
