"""The figures of a team, for whoever leads it."""

from typing import Annotated

from fastapi import FastAPI, Query

from services.agent.storage.store import TicketStore
from services.agent.storage.team_figures import report_team
from services.common.agent_api import TeamReport
from services.common.problems import documented


def add_team_routes(app: FastAPI, store: TicketStore) -> None:
    """Add the route of the report."""

    @app.get("/team", summary="What has the team answered?", responses=documented(401, 422, 503))
    def team(days: Annotated[int, Query(ge=1, le=92)] = 7) -> TeamReport:
        return report_team(store, days)
