"""Settings from the environment: how a service listens, what it serves and what it accepts."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


def split_at_commas(value: object) -> object:
    """Return the parts of a text that commas separate; a validator for settings with several values."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def empty_as_unset(value: object) -> object:
    """Return None for an empty text; a validator for variables that compose.yaml passes on even if they are unset."""
    return None if value == "" else value


class Settings(BaseSettings):
    """The settings of every service. Each has an environment variable in capitals: HOST, PORT, API_KEYS, ...

    Sizes are in bytes and characters, times in seconds.
    """

    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback, keys are required")
    port: int = Field(8000, ge=0, le=65535)
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="host names to answer to, by commas; on loopback beside localhost; elsewhere any if unset",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), description="keys of clients, by commas")
    allow_anonymous: bool = Field(False, description="answer without a key even beyond loopback")
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="serves /metrics there and not on PORT; unset: beyond loopback, /metrics needs a key",
    )
    max_body_bytes: int = Field(1_000_000, ge=1000)
    max_text_length: int = Field(50_000, ge=1)
    max_batch: int = Field(100, ge=1)
    max_in_flight: int = Field(256, ge=1, description="requests at once; more are answered with 503")
    max_connections: int = Field(1000, ge=1, description="open connections at once; the longest idle one is closed")
    max_header_bytes: int = Field(32_768, ge=1000)
    header_seconds: float = Field(10.0, gt=0, description="how long a client may take to send a request's headers")
    body_seconds: float = Field(10.0, gt=0, description="how long a client may take to send its request")
    shutdown_seconds: int = Field(20, ge=1, description="how long requests in flight may take after SIGTERM")

    _split_keys = field_validator("api_keys", "allowed_hosts", mode="before")(split_at_commas)

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_key(self) -> bool:
        """Whether a request must have a key. If API_KEYS is empty as well, every request is refused."""
        return bool(self.api_keys) or not (self.allow_anonymous or self.on_loopback)


class RegistrySettings(Settings):
    """The address of the MLflow registry, and the credentials for it."""

    mlflow_tracking_uri: str | None = Field(None, description="http(s) address of the MLflow server with the registry")
    mlflow_tracking_username: str | None = None
    mlflow_tracking_password: SecretStr | None = None
    mlflow_tracking_token: SecretStr | None = None

    @property
    def has_server(self) -> bool:
        """Whether the address is that of an HTTP server: it can also be that of an embedded database."""
        return urlsplit(self.mlflow_tracking_uri or "").scheme in ("http", "https")

    def access(self) -> dict[str, Any]:
        """Return the options of an httpx client for the server."""
        address = urlsplit(self.mlflow_tracking_uri or "")
        headers: dict[str, str] = {}
        auth: tuple[str, str] | None = None
        if self.mlflow_tracking_token:
            headers["Authorization"] = f"Bearer {self.mlflow_tracking_token.get_secret_value()}"
        elif self.mlflow_tracking_username and self.mlflow_tracking_password:
            auth = (self.mlflow_tracking_username, self.mlflow_tracking_password.get_secret_value())
        elif address.username:
            auth = (unquote(address.username), unquote(address.password or ""))
        base = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
        # Proxies from the environment are for the internet; the password must not go through them.
        return {"base_url": base, "headers": headers, "auth": auth, "trust_env": False}


class ModelSettings(RegistrySettings):
    """Where a model service finds its model."""

    model_uri: str | None = Field(None, description="models:/NAME@ALIAS or models:/NAME/VERSION, on a server")
    model_dir: Path | None = Field(None, description="a bare model folder, which no gate has checked, unless MODEL_URI")
    production_dir: Path = Field(
        Path("models/production"), description="copy of the version in Production; served unless one of both is set"
    )
    poll_seconds: float = Field(2.0, gt=0, description="how often to check for a new model")
    batch_size: int = Field(4, ge=1, description="transformer: the most tickets in one run of the model")
