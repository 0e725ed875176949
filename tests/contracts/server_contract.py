"""What every server keeps, as one mixin; see `ServerCase` for what a concrete class adds."""

from __future__ import annotations

from tests.contracts.lifecycle import Lifecycle
from tests.contracts.stopping import Stopping
from tests.contracts.surroundings import Surroundings

__all__ = ["ServerContract"]


class ServerContract(Lifecycle, Stopping, Surroundings):
    """The whole contract: mix it with `NoLeaks` and say how to make the server and how to talk to it."""
