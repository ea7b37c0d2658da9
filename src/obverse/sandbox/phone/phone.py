"""The phone itself: signs in, fetches codes before they run out, and shows one without asking anybody."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from obverse.kit.secret import Secret
from obverse.sandbox.errors import SandboxError
from obverse.sandbox.phone.screen import Held, NoCode, Purse, Screen

_ALGORITHMS: Final = ["ECDH-ES", "A256GCM"]
_PUBLIC: Final = ("kty", "crv", "x", "y")
_LOOK_EVERY_S: Final = 0.5


class Refused(SandboxError):
    """The provider said no; `code` is its reason."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"The provider refused: {code}.")


class NotMine(SandboxError):
    """Codes came that this phone cannot open: they were made for another one."""

    def __init__(self) -> None:
        super().__init__("These codes are sealed to another phone.")


class NoNetwork(SandboxError):
    """The platform cannot be reached from here."""

    def __init__(self) -> None:
        super().__init__("There is no network.")


class _Contents(msgspec.Struct):
    """What is sealed in a batch."""

    class Code(msgspec.Struct):
        code: str
        valid_from: datetime
        expires_at: datetime

    card: str
    codes: list[Code]


class Phone:
    """A member's phone. `client` has the platform's address; `now` is the phone's own clock.

    The clock may be wrong: the time in each answer puts it right, so codes come in step with the platform.
    """

    def __init__(self, client: httpx.AsyncClient, name: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._name = name
        self._now = now
        self._ahead = timedelta()
        self._key = ECKey.generate_key("P-256")
        self._headers: dict[str, str] = {}
        self._device = ""
        self._purses: dict[str, Purse] = {}
        self._picked = ""
        self._task: asyncio.Task[None] | None = None
        self.has_network = True
        """False in a basement: nothing is asked any more, and codes go on being shown."""

    @property
    def device(self) -> str:
        """The id under which it is registered."""
        return self._device

    def now(self) -> datetime:
        """The platform's time, as far as the phone knows it."""
        return self._now() + self._ahead

    # getting codes -----------------------------------------------------------------------------------------

    async def set_up(self, member: str, password: Secret) -> None:
        """Sign in and register the phone's public key (PC-1). Raises `Refused`, `NoNetwork`."""
        signed_in = await self._post("/v1/sessions", {"member": member, "password": password.reveal()})
        self._headers = {"Authorization": f"Bearer {signed_in['token']}"}
        public = self._key.as_dict(private=False)
        body = {
            "name": self._name,
            "public_key": {name: public[name] for name in _PUBLIC},
            "current_password": password.reveal(),
        }
        self._device = (await self._post("/v1/devices", body))["id"]

    async def fetch(self, card: str, count: int = 1) -> None:
        """Get codes of a card, in the place of what is left of those before; picks the first card.

        Raises `Refused`, `NoNetwork`, `NotMine`.
        """
        answer = await self._post(f"/v1/devices/{self._device}/code_batches", {"card": card, "count": count})
        contents = self._open(answer["sealed"])
        if contents.card != card:
            raise NotMine
        self._ahead = datetime.fromisoformat(answer["created"]) - self._now()
        codes = [Held(Secret(each.code), each.valid_from, each.expires_at) for each in contents.codes]
        self._purses[card] = Purse(codes, count, datetime.fromisoformat(answer["renew_at"]))
        self._picked = self._picked or card

    async def renew_due(self) -> None:
        """Get the next codes of every card whose time it is; without a network, later."""
        for card, purse in list(self._purses.items()):
            if purse.renew_at <= self.now():
                try:
                    await self.fetch(card, purse.count)
                except NoNetwork:
                    return

    async def start(self) -> None:
        """Renew codes by itself from now on (PC-3)."""
        self._task = asyncio.create_task(self._keep_renewing())

    async def stop(self) -> None:
        """Switch it off: what it holds is gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._purses.clear()

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.renew_due()
            except Refused:
                continue  # the card may be good again later; until then there is nothing to show

    # showing them ------------------------------------------------------------------------------------------

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards it has codes of."""
        return tuple(self._purses)

    def pick(self, card: str) -> None:
        """Show this card's codes from now on (PC-4). Raises `NoCode` for one that it has none of."""
        if card not in self._purses:
            raise NoCode
        self._picked = card

    def show(self) -> Screen:
        """The code of this moment, drawn here and now. Raises `NoCode`."""
        return Screen.of(self._picked, self._purse().current(self.now()))

    async def paid(self) -> None:
        """The code that is shown has paid: forget it, and get others where there is a network."""
        purse = self._purse()
        purse.wipe(purse.current(self.now()))
        purse.renew_at = self.now()
        await self.renew_due()

    def _purse(self) -> Purse:
        purse = self._purses.get(self._picked)
        if purse is None:
            raise NoCode
        return purse

    # the wire ----------------------------------------------------------------------------------------------

    def _open(self, sealed: str) -> _Contents:
        try:
            plain = jwe.decrypt_compact(sealed, self._key, algorithms=_ALGORITHMS).plaintext
        except (JoseError, ValueError):
            raise NotMine from None
        return msgspec.json.decode(plain or b"", type=_Contents)

    async def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        if not self.has_network:
            raise NoNetwork
        try:
            answer = await self._client.post(path, json=body, headers=self._headers)
        except httpx.TransportError:
            raise NoNetwork from None
        told: Mapping[str, Any] = answer.json()
        if answer.is_error:
            raise Refused(told["code"])
        return told
