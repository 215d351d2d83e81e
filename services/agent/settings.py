"""The agent's settings from the environment, beside those of every service."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator

from services.common.agent_api import ReviewOrder
from services.common.settings import Settings


class AgentSettings(Settings):
    """Each setting has an environment variable in capitals; times are in seconds."""

    tfidf_url: AnyHttpUrl = Field(AnyHttpUrl("http://127.0.0.1:8000"), description="the service that is always asked")
    tfidf_api_key: SecretStr | None = None
    transformer_url: AnyHttpUrl | None = Field(None, description="the second service; if unset, the first is alone")
    transformer_api_key: SecretStr | None = None
    policy_file: Path = Field(Path("models/agent/policy.json"), description="written by scripts/fit_routing.py")
    max_in_flight: int = Field(64, ge=1, description="requests at once; more are answered with 503")
    database_url: SecretStr = Field(SecretStr("sqlite:///agent.db"), description="tickets and people's answers")
    text_seconds: float = Field(5.0, gt=0, description="how long removing personal data may take for a request")
    spacy_model: str | None = Field(None, description="with which Presidio, if installed, finds more names of people")
    attempt_seconds: float = Field(2.0, gt=0, description="timeout of one request to a model service")
    budget_seconds: float = Field(5.0, gt=0, description="timeout for a model service in all, retry included")
    breaker_failures: int = Field(5, ge=1, description="consecutive failures that open a service's circuit breaker")
    breaker_seconds: float = Field(10.0, gt=0, description="how long it stays open before one request tries again")
    hold_seconds: float = Field(300.0, gt=0, description="how long a waiting ticket is held for one reviewer")
    review_order: ReviewOrder = Field("age", description="which waiting tickets come first: age or uncertainty")
    keep_days: int = Field(365, ge=0, description="when tickets that no longer wait are deleted; 0: never")
    poll_seconds: float = Field(2.0, gt=0, description="how often the services and the policy are checked")
    audit_share: float = Field(0.01, ge=0, le=1, description="of the automatically routed tickets, checked by people")
    audit_seconds: float = Field(60.0, gt=0, description="how often the live accuracy is calculated for /metrics")

    drift_seconds: float = Field(3600.0, ge=0, description="how often tickets are compared with training's; 0: never")
    drift_days: int = Field(7, ge=1, description="of how many days the tickets are compared with those of the training")

    shadow_url: AnyHttpUrl | None = Field(None, description="a TF-IDF service that serves the version in Staging")
    shadow_api_key: SecretStr | None = None
    shadow_share: float = Field(0.0, ge=0, le=1, description="of the tickets, about which that version is asked too")

    @field_validator("keep_days", "review_order", "audit_share", mode="before")
    @classmethod
    def _empty_as_default(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default if value == "" else value
