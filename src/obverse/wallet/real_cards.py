"""Real cards on their way into the vault: checked, shown to their card companies, stored once."""

from collections.abc import Sequence

from obverse.cards import repository as card_rows
from obverse.kit.clock import Clock
from obverse.kit.database import Connection
from obverse.kit.errors import Unavailable
from obverse.kit.ids import VaultCardId
from obverse.vault.errors import CardAlreadyStored
from obverse.vault.service import Vault
from obverse.wallet import repository, rules
from obverse.wallet.errors import CardNotVerified
from obverse.wallet.model import CardDetails, MonthEnd, Source
from obverse.wallet.ports import CardCheck, CheckResult


class RealCards:
    """What the wallet does with the details of a card that somebody types in."""

    def __init__(
        self, vault: Vault, card_check: CardCheck, *, clock: Clock, own_bin: str, month_end: MonthEnd
    ) -> None:
        self._vault = vault
        self._card_check = card_check
        self._clock = clock
        self._own_bin = own_bin
        self._month_end = month_end

    def check(self, details: CardDetails) -> None:
        """Raises `InvalidRequest` for what cannot be a real card, our own numbers among it (PP-8)."""
        rules.check_card_details(details, self._own_bin, self._clock.now())

    async def verify(self, details: CardDetails) -> None:
        """Have its card company vouch for it, for no amount. Raises `CardNotVerified`, `Unavailable`."""
        result = await self._card_check.verify(details)
        if result is CheckResult.UNREACHABLE:
            raise Unavailable("The card company does not answer at the moment. Try again later.")
        if result is not CheckResult.VERIFIED:
            raise CardNotVerified

    async def is_of_a_member(self, conn: Connection, details: CardDetails) -> bool:
        """Whether it ever stood behind a member. Whoever has only paid with it once is nobody we know."""
        found = await self._vault.find_card(conn, details.number)
        return found is not None and bool(await self._of_members(conn, found))

    async def keep(self, conn: Connection, details: CardDetails) -> tuple[VaultCardId, Sequence[Source]]:
        """Store a verified card, or find it where it is, in the caller's commit.

        Returns members' sources that ever stood for it as well, removed ones included, locked: whether any
        of them stands in the way is for the caller to say. A registered card lives as long as its plastic.
        """
        expiry = details.exp_month, details.exp_year
        try:
            card = await self._vault.store_card(conn, details.number, *expiry, self._clock.now())
        except CardAlreadyStored as stored:
            id_ = stored.vault_card_id
            await self._vault.renew_card(conn, id_, *expiry)
            owners = await self._of_members(conn, id_)
            ends = self._month_end(details.exp_year, details.exp_month)
            await card_rows.renew_registered(conn, id_, ends)
            return id_, owners
        return card.id, []

    async def _of_members(self, conn: Connection, id_: VaultCardId) -> Sequence[Source]:
        sources = await repository.lock_sources_of_vault_cards(conn, [id_])
        return [source for source in sources if source.member_id is not None]
