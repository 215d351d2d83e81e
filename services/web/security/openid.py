"""Logging in through an OpenID Connect provider, such as Keycloak, Entra ID or Google Workspace, with two roles."""

from typing import Any, NamedTuple

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from services.web.settings import WebSettings

CALLBACK = "/login/callback"
TIMEOUT_SECONDS = 10
# The claims that may hold a person's name, the best first; sub is always there.
NAMES = ("name", "preferred_username", "email", "sub")


class Person(NamedTuple):
    """Somebody whom the provider knows."""

    name: str
    role: str


class LoginRefused(Exception):
    """The login failed. The argument is a key under `login.wrong` in the catalogues."""


class OpenIdLogin:
    """The authorization code flow with PKCE; authlib checks state, nonce, issuer, audience, signature and times."""

    def __init__(self, settings: WebSettings) -> None:
        """Ask nothing yet: the provider's addresses and keys are read at the first login."""
        self._settings = settings
        secret = settings.oidc_client_secret
        self._client = OAuth().register(
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": TIMEOUT_SECONDS,
                # The client's secret must not go through a proxy that the environment names.
                "trust_env": False,
            },
        )

    async def start(self, request: Request) -> Response:
        """Return the redirect to the provider; raise a LoginRefused when it cannot be reached."""
        try:
            return await self._client.authorize_redirect(request, f"{self._settings.public_url}{CALLBACK}")
        except (AuthlibBaseError, httpx2.HTTPError, ValueError):
            raise LoginRefused("provider") from None

    async def finish(self, request: Request) -> Person:
        """Return who has logged in; raise a LoginRefused when the provider's answer is wrong or allows no access."""
        try:
            token = await self._client.authorize_access_token(request)
            claims = dict(token.get("userinfo") or {})
            if self._settings.oidc_role_claim not in claims:
                claims = dict(await self._client.userinfo(token=token)) | claims
        except (AuthlibBaseError, JoseError, httpx2.HTTPError, ValueError, KeyError):
            raise LoginRefused("provider") from None
        role = self._role(claims.get(self._settings.oidc_role_claim))
        if role is None:
            raise LoginRefused("role")
        return Person(next(str(claims[name]) for name in NAMES if claims.get(name)), role)

    def _role(self, given: Any) -> str | None:
        """Return the role of somebody with these values of the claim; None when they have no access."""
        values = {str(each) for each in given} if isinstance(given, list | tuple) else {str(given)}
        if self._settings.oidc_lead in values:
            return "lead"
        reviewer = self._settings.oidc_reviewer
        return "reviewer" if reviewer is None or reviewer in values else None
