"""Clients that companies ship, against the stub; ``make test-sdks`` runs them, ``make test`` leaves them out."""
