"""The settings of the pages from the environment, beside those of every service."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.common.settings import RegistrySettings, empty_as_unset, split_at_commas

HTTP = ("http", "https")


class WebSettings(RegistrySettings):
    """Each setting has an environment variable in capitals.

    Sizes are in bytes, characters and rows.
    """

    agent_url: str = Field("http://127.0.0.1:8002", description="http(s) address of the agent")
    agent_api_key: SecretStr | None = Field(None, description="one of the agent's keys, if it has any")
    agent_seconds: float = Field(10.0, gt=0, description="timeout for one ticket")
    batch_seconds: float = Field(60.0, gt=0, description="timeout for a part of a file")
    web_password: SecretStr | None = Field(None, min_length=8, description="the password that people log in with")
    oidc_issuer: str | None = Field(None, description="OpenID Connect: the provider's address, without /.well-known")
    oidc_client_id: str | None = Field(None, description="the name under which the provider knows these pages")
    oidc_client_secret: SecretStr | None = None
    public_url: str | None = Field(None, description="the pages' own address, to which the provider sends people back")
    oidc_role_claim: str = Field("groups", description="the claim that holds a person's groups or roles")
    oidc_lead: str = Field("callcenter-leads", description="its value for leads, who may erase tickets")
    oidc_reviewer: str | None = Field(
        None, description="its value for reviewers; unset: everybody whom the provider knows"
    )
    session_secret: SecretStr | None = Field(None, min_length=32, description="signs sessions; random if unset")
    logouts_file: Path | None = Field(
        None, description="remembers logouts when the service restarts; if unset, a restart ends every login"
    )
    session_hours: float = Field(12.0, gt=0, description="how long a login lasts")
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses or networks, by commas, whose X-Forwarded-For and -Proto are trusted"
    )
    max_logins: int = Field(32, ge=1, description="logins at once; they do not count as MAX_IN_FLIGHT")
    login_attempts: int = Field(5, ge=1, description="wrong passwords from one address before it has to wait")
    login_minutes: float = Field(5.0, gt=0, description="how long it has to wait")
    max_upload_bytes: int = Field(10_000_000, ge=1000)
    max_unpacked_bytes: int = Field(50_000_000, ge=1000, description="of a gzip, zip or workbook, unpacked")
    upload_seconds: float = Field(120.0, gt=0, description="how long a file may take to arrive")
    table_seconds: float = Field(30.0, gt=0, description="how long an uploaded file may take to read")
    max_rows: int = Field(50_000, ge=1)
    max_uploads: int = Field(12, ge=1, description="files that arrive at once; they do not count as MAX_IN_FLIGHT")
    max_jobs: int = Field(6, ge=1, description="files at once, of everybody; one person may have half of them")
    max_jobs_each: int = Field(2, ge=1, description="files at once, of one session")
    job_minutes: float = Field(30.0, gt=0, description="how long a file is kept after its page was last open")
    run_minutes: float = Field(60.0, gt=0, description="how long a file may be classified before it stops")
    ticket_url: str | None = Field(
        None, description="address of a ticket in the helpdesk, with {ticket_id}; Review then links to it"
    )
    category_descriptions: Path | None = Field(
        None, description="a YAML file with a text for each category, which Review shows on demand"
    )
    registered_models: Annotated[tuple[str, ...], NoDecode] = Field(
        ("callcenterai-tfidf-classifier", "callcenterai-transformer-classifier"),
        description="models to show, by commas",
    )

    _empty_as_unset = field_validator(
        *(
            "web_password",
            "session_secret",
            "logouts_file",
            "agent_api_key",
            "public_url",
            "ticket_url",
            "category_descriptions",
        ),
        *("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_reviewer"),
        mode="before",
    )(empty_as_unset)
    _split_names = field_validator("registered_models", mode="before")(split_at_commas)

    @field_validator("trusted_proxies")
    @classmethod
    def _names_proxies(cls, value: str) -> str:
        if "*" in value:
            raise ValueError("must name addresses or networks: with *, every client could claim any address")
        return value

    @field_validator("agent_url", "oidc_issuer", "public_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        address = urlsplit(value or "http://unset")
        if address.scheme not in HTTP or not address.hostname:
            raise ValueError("must be an address such as http://127.0.0.1:8002")
        return value and value.rstrip("/")

    @field_validator("ticket_url")
    @classmethod
    def _names_the_ticket(cls, value: str | None) -> str | None:
        address = urlsplit(value or "http://unset/{ticket_id}")
        after_host = f"{address.path}?{address.query}#{address.fragment}"
        # The host has to be the same for every ticket: whoever sends a ticket chooses its id.
        is_fixed = address.hostname and "{" not in address.netloc
        if address.scheme not in HTTP or not is_fixed or "{ticket_id}" not in after_host:
            raise ValueError("must be an address such as https://desk.example.org/tickets/{ticket_id}")
        return value

    @property
    def needs_login(self) -> bool:
        """Whether people have to log in."""
        return self.web_password is not None or self.oidc_issuer is not None

    @property
    def needs_key(self) -> bool:
        """Always false: people log in to the pages, and programs ask the agent."""
        return False

    def check_access(self) -> None:
        """Raise a ValueError when everybody could use the pages and ALLOW_ANONYMOUS does not say so."""
        if not (self.needs_login or self.on_loopback or self.allow_anonymous):
            raise ValueError(
                "beyond loopback WEB_PASSWORD is needed, or ALLOW_ANONYMOUS=true for access without a password"
            )
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID and PUBLIC_URL, such as https://desk.example.org")
