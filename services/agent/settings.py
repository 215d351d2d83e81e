"""What the environment says about the agent, beside what it says about every service."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator

from services.common.settings import Settings


class AgentSettings(Settings):
    """One environment variable for each, in capitals; times in seconds."""

    tfidf_url: AnyHttpUrl = Field(AnyHttpUrl("http://127.0.0.1:8000"), description="the service that is always asked")
    tfidf_api_key: SecretStr | None = None
    transformer_url: AnyHttpUrl | None = Field(None, description="the second service; without one, the first is alone")
    transformer_api_key: SecretStr | None = None
    policy_file: Path = Field(Path("models/agent/policy.json"), description="what scripts/fit_routing.py has learned")
    database_url: SecretStr = Field(SecretStr("sqlite:///agent.db"), description="tickets for review, people's answers")
    attempt_seconds: float = Field(2.0, gt=0, description="how long one request to a model service may take")
    budget_seconds: float = Field(5.0, gt=0, description="how long a model service may take in all, retry included")
    breaker_failures: int = Field(5, ge=1, description="so many failures in a row, and a service is left in peace")
    breaker_seconds: float = Field(10.0, gt=0, description="for so long; then one request tries again")
    hold_seconds: float = Field(300.0, gt=0, description="how long a waiting ticket is one reviewer's alone")
    keep_days: int | None = Field(None, ge=1, description="when a ticket that no longer waits is deleted; else never")
    poll_seconds: float = Field(2.0, gt=0, description="how often services and policy are looked at")

    @field_validator("keep_days", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # As compose.yaml passes on what nobody has set.
        return None if value == "" else value
