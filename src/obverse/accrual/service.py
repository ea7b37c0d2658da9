"""Setting rules, and telling members what they have."""

from collections.abc import Sequence

from obverse.accrual import repository, rules
from obverse.accrual.errors import PointsRuleNotFound
from obverse.accrual.model import PointsMovement, PointsRule, RuleTerms
from obverse.kit import audit, outbox
from obverse.kit.audit import AuditEntry, check_reason
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AuditId, MemberId, NewId, PointsRuleId, to_text
from obverse.kit.money import CurrencyCode
from obverse.kit.outbox import Reader
from obverse.kit.paging import Page, PageRequest
from obverse.merchants import repository as merchants
from obverse.merchants.errors import MerchantNotFound
from obverse.programmes import repository as programmes
from obverse.programmes.errors import ProgrammeNotFound
from obverse.wallet import Balances, LotBalance


class Points:
    """The rules by which points accrue, and what members have of them."""

    def __init__(
        self,
        database: Database,
        balances: Balances,
        *,
        clock: Clock,
        new_id: NewId,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._balances = balances
        self._clock = clock
        self._new_id = new_id
        self._currency = currency

    async def set_rule(self, terms: RuleTerms, *, actor: str, reason: str) -> PointsRule:
        """Have points accrue from now on (PP-12). What was captured before earns by the rules of then.

        Raises `InvalidRequest`, `MerchantNotFound`, `ProgrammeNotFound`.
        """
        rules.check_terms(terms)
        reason = check_reason(reason)
        rule = PointsRule(PointsRuleId(self._new_id()), terms, self._clock.now(), None)
        async with self._database.transaction() as conn:
            if terms.merchant_id is not None and not await merchants.load(conn, [terms.merchant_id]):
                raise MerchantNotFound("merchant")
            if terms.programme_id is not None and not await programmes.load(conn, [terms.programme_id]):
                raise ProgrammeNotFound("programme")
            if not await repository.any_rule(conn):
                await outbox.begin_here(conn, Reader.POINTS)  # nothing before it earns
            await repository.insert_rule(conn, rule)
            await self._record(conn, "points_rule.set", rule, actor, reason)
        return rule

    async def end_rule(self, id_: PointsRuleId, *, actor: str, reason: str) -> PointsRule:
        """Let nothing accrue by this rule from now on; asked again it changes nothing.

        Raises `PointsRuleNotFound`, `InvalidRequest`.
        """
        reason = check_reason(reason)
        async with self._database.transaction() as conn:
            rule = await repository.lock_rule(conn, id_)
            if rule is None:
                raise PointsRuleNotFound
            if rule.ends_at is not None:
                return rule
            rule = PointsRule(rule.id, rule.terms, rule.starts_at, self._clock.now())
            assert rule.ends_at is not None
            await repository.end_rule(conn, id_, rule.ends_at)
            await self._record(conn, "points_rule.ended", rule, actor, reason)
        return rule

    async def rules(self, page: PageRequest) -> Page[PointsRule]:
        """All rules, newest first, those that have ended included."""
        async with self._database.connection() as conn:
            return await repository.find_rules(conn, page)

    async def balance(self, member_id: MemberId) -> Sequence[LotBalance]:
        """What a member has, lot by lot, in the order in which it is spent."""
        async with self._database.connection() as conn:
            sources = await repository.sources(conn, [member_id], self._currency)
            _, source_id = sources.get(member_id, (None, None))
            if source_id is None:
                return []
            return (await self._balances.of(conn, [source_id]))[source_id]

    async def movements(self, member_id: MemberId, page: PageRequest) -> Page[PointsMovement]:
        """What a member has earned and lost again, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, member_id)

    async def _record(self, conn: Connection, action: str, rule: PointsRule, actor: str, reason: str) -> None:
        subject = to_text("prule", rule.id)
        entry = AuditEntry(AuditId(self._new_id()), actor, action, subject, reason, self._clock.now())
        await audit.record(conn, [entry])
