"""`POST /v1/standing` at a credit bureau."""

import json
from typing import Final

import httpx

from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret
from obverse.wallet.ports import CreditStanding

TIMEOUT_SECONDS: Final = 3.0


class CreditBureauClient:
    """Implements `wallet.ports.CreditBureau`."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )

    async def standing(self, identity_number: Secret) -> CreditStanding:
        """What the bureau says of this person. Raises `Unavailable` for anything but a clear answer.

        Nobody is let in because a bureau was down, and nobody is refused for it either.
        """
        try:
            answer = await self._http.post("/v1/standing", json={"identity_number": identity_number.reveal()})
            if answer.status_code == httpx.codes.OK:
                return CreditStanding(answer.json()["standing"])
        except (httpx.HTTPError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
            # Not chained: the request that the error carries holds the identity number.
            raise Unavailable("The credit bureau does not answer. Try again later.") from None
        raise Unavailable("The credit bureau does not answer. Try again later.")

    async def close(self) -> None:
        await self._http.aclose()
