"""What a payment shows, recognised: the card behind a number or a code, and what stands behind it. Pure.

A code is spent, and a guess at one is counted, in the batch's own copies (PC-7, P10).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from obverse.authorization import proof
from obverse.authorization.actions import Actions
from obverse.authorization.commands import Authorize
from obverse.authorization.known import KnownCard, Purse
from obverse.authorization.model import LOADS, AuthorizationRequest, Decision, Purpose
from obverse.authorization.proof import CodeCheck, PinCheck
from obverse.cards.model import Card
from obverse.cards.rules import face_expiry_of
from obverse.codes.rules import stands_for
from obverse.kit.ids import MerchantId, SourceId
from obverse.points.model import Holding, Quote
from obverse.points.rules import rate_at
from obverse.wallet.model import Source

_NO_PURSES: Final[Mapping[SourceId, Purse]] = {}


class Recognition(Actions):
    """Finds out over its draft what a payment shows; `Batch` decides about it."""

    def _known_card(self, command: Authorize) -> KnownCard | None:
        by_code = command.code_hash is not None
        request = command.request
        card = self._card_by_code(command.code_hash) if command.code_hash else self._card_by_number(command)
        if card is None or (by_code and request.purpose in LOADS):  # a code pays, and takes nothing in
            return None
        left = self._usage(card)
        pin = proof.pin_check(card, left, self._pin_hash(command, card), by_code=by_code)
        face = face_expiry_of(card)
        sources = [self._sources[id_] for id_ in card.funding if id_ in self._sources]
        quote = self._quote(request, card)
        return KnownCard(
            card,
            left,
            details_match=request.holder_matches is not False
            if by_code
            else proof.details_match(request, card, face, command.cvv_ok, pin),
            sources=sources,
            pin=pin,
            lots=self._lots,
            programme=self._programmes.get(card.programme_id) if card.programme_id is not None else None,
            purses=self._purses(command, sources, quote) if self._loaded.holdings else _NO_PURSES,
            quote=quote,
            proof_from_minor=self._proof_from_minor(request) if by_code else None,
        )

    def _card_by_number(self, command: Authorize) -> Card | None:
        return next((self._cards[h] for h in command.number_hashes if h in self._cards), None)

    # payment codes -------------------------------------------------------------------------------------

    def _card_by_code(self, code_hash: bytes) -> Card | None:
        code = self._code(code_hash)
        card = None if code is None else self._cards_by_id.get(code.card_id)
        return card if code is not None and card is not None and stands_for(code, card) else None

    def _code_check(self, command: Authorize, known: KnownCard | None) -> CodeCheck:
        """What is to be said of the code that was shown, if one was.

        Where codes are being guessed one pays only with its member's PIN or passkey, and nothing tells it
        from others without: a guesser learns nothing, and honest people are not shut out with them.
        """
        if command.code_hash is None:
            return CodeCheck.NOT_GIVEN
        check = proof.code_check(self._code(command.code_hash), self.now)
        if not self._is_guessing(command.request):
            return check
        is_proved = known is not None and (known.pin is PinCheck.RIGHT or command.request.holder_proved)
        return check if check is CodeCheck.RIGHT and is_proved else CodeCheck.GUESSING

    def _is_good(self, code_hash: bytes) -> bool:
        """Whether a code pays at this moment, if the rest is right."""
        return proof.code_check(self._code(code_hash), self.now) is CodeCheck.RIGHT

    def _is_guessing(self, request: AuthorizationRequest) -> bool:
        """Whether more was tried in vain here, or at all of this merchant, than anybody mistypes."""
        if request.merchant is None:
            return False
        guesses, budget, merchant_id = self._loaded.guesses, self.makers.codes.budget, request.merchant.id
        here = merchant_id, request.terminal or ""
        of_merchant = sum(count for (id_, _), count in self.guesses.items() if id_ == merchant_id)
        return (
            guesses.of_terminals.get(here, 0) + self.guesses[here] >= budget.of_terminal
            or guesses.of_merchants.get(merchant_id, 0) + of_merchant >= budget.of_merchant
        )

    def guessed_too_often(self) -> list[tuple[MerchantId, str | None, int]]:
        """Terminals whose budget this batch has used up, and merchants (without a terminal) whose budget it
        has, with how often was tried there within the hour."""
        budget, before = self.makers.codes.budget, self._loaded.guesses
        of_merchants: Counter[MerchantId] = Counter()
        tried: list[tuple[MerchantId, str | None, int, int, int]] = []
        for (merchant, till), count in self.guesses.items():
            of_merchants[merchant] += count
            known = before.of_terminals.get((merchant, till), 0)
            tried.append((merchant, till, known, count, budget.of_terminal))
        for merchant, count in of_merchants.items():
            tried.append((merchant, None, before.of_merchants.get(merchant, 0), count, budget.of_merchant))
        return [
            (merchant, till, known + count)
            for merchant, till, known, count, most in tried
            if known < most <= known + count
        ]

    def _use_code(
        self, command: Authorize, code_hash: bytes, known: KnownCard | None, decision: Decision
    ) -> None:
        """Spend the code on what was approved or is under way; count a guess, or a PIN that was wrong."""
        code, merchant = self._code(code_hash), command.request.merchant
        if code is None:
            # Behind a shut door nothing is counted: one till alone must not shut others.
            if merchant is not None and not self._is_guessing(command.request):
                self.guesses[merchant.id, command.request.terminal or ""] += 1
        elif not self._is_good(code_hash):
            return
        elif decision.decline is None and command.request.purpose is not Purpose.INQUIRY:
            self.spent_codes[code_hash] = replace(code, used_by=command.id)
        elif known is not None and known.pin is PinCheck.WRONG:
            self.spent_codes[code_hash] = replace(code, pin_tries=code.pin_tries + 1)

    def _proof_from_minor(self, request: AuthorizationRequest) -> int:
        """From which amount on a code needs more than itself here; for all, while codes are being guessed."""
        policy, merchant = self.makers.codes, request.merchant
        if self._loaded.guesses.overall >= policy.budget.overall:
            return 0
        agreed = None if merchant is None else merchant.code_proof_from_minor
        return policy.proof_from_minor if agreed is None else agreed

    def _pin_hash(self, command: Authorize, card: Card) -> bytes | None:
        if command.code_hash is None or command.request.pin is None:
            return command.pin_hash
        return self.makers.pin_hash_of(card, command.request.pin)

    # points --------------------------------------------------------------------------------------------

    def _quote(self, request: AuthorizationRequest, card: Card) -> Quote | None:
        """What was shown of this card at this merchant, while it holds."""
        quote = self._loaded.quotes.get(request.quote) if request.quote is not None else None
        if quote is None or quote.card_id != card.id or quote.expires_at <= self.now:
            return None
        return quote if request.merchant is not None and quote.merchant_id == request.merchant.id else None

    def _purses(
        self, command: Authorize, sources: Sequence[Source], quote: Quote | None
    ) -> Mapping[SourceId, Purse]:
        """The points accounts among these sources, with rates and balances as far as they are known."""
        holdings = [self._loaded.holdings[s.id] for s in sources if s.id in self._loaded.holdings]
        return {holding.source_id: self._purse(command, holding, quote) for holding in holdings}

    def _purse(self, command: Authorize, holding: Holding, quote: Quote | None) -> Purse:
        merchant = command.request.merchant
        shown = None
        if quote is not None:
            shown = next((line for line in quote.lines if line.source_id == holding.source_id), None)
        rate = None
        if merchant is not None and holding.is_active and holding.issuer_id in merchant.accepts_points:
            now_valid = rate_at(self._loaded.rates, holding.issuer_id, merchant.id)
            rate = shown.rate if shown is not None else now_valid
        units = None if shown is None else shown.units
        if command.balances is not None:
            units = command.balances.get(holding.source_id, units)
        return Purse(rate, units, holding.units_max)
