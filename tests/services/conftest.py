"""The fixtures that several tests of the services use."""

from collections.abc import Iterator

import pytest

from support.servers.web import AgentDouble


@pytest.fixture(scope="module")
def agent_double() -> Iterator[AgentDouble]:
    """The test double of the agent behind the pages of a module; its tests say how it behaves, and reset it."""
    with AgentDouble() as double:
        yield double
