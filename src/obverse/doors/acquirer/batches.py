"""A terminal's day: claims of its batch (0320) and its totals (0500)."""

from obverse.clearing.claims import Claim, TerminalBatch
from obverse.doors.acquirer.ports import ClaimDesk
from obverse.merchants.model import Merchant
from obverse.networks.iso8583 import response_codes
from obverse.networks.iso8583.batches import (
    IN_BALANCE,
    OUT_OF_BALANCE,
    ReconciliationMessage,
    UploadMessage,
)
from obverse.networks.iso8583.fields import (
    DE50_SETTLEMENT_CURRENCY,
    DE60_BATCH,
    DE66_SETTLEMENT_CODE,
)
from obverse.networks.iso8583.messages import answer


async def upload(message: UploadMessage, merchant: Merchant | None, claims: ClaimDesk) -> bytes:
    """Answer a 0320 once the claim is paid, or was before."""
    batch = {DE60_BATCH: message.batch_no}
    if merchant is None:
        return answer(message.fields, response_codes.UNKNOWN_MERCHANT, extra=batch)
    claim = Claim(
        merchant_id=merchant.id,
        kind=message.kind,
        number=message.number,
        approval_code=message.approval_code,
        amount=message.amount,
        reference=message.reference,
        terminal=message.terminal,
    )
    verdict = await claims.upload(claim, TerminalBatch(merchant.id, message.terminal, message.batch_no))
    return answer(message.fields, response_codes.of_claim(verdict), extra=batch)


async def reconcile(message: ReconciliationMessage, merchant: Merchant | None, claims: ClaimDesk) -> bytes:
    """Answer a 0500: 00 closes the batch; after 95 the terminal uploads all of it, and asks again."""
    echoed = {
        DE60_BATCH: message.batch_no,
        DE50_SETTLEMENT_CURRENCY: message.fields[DE50_SETTLEMENT_CURRENCY],
    }
    if merchant is None:
        return answer(message.fields, response_codes.UNKNOWN_MERCHANT, extra=echoed)
    batch = TerminalBatch(merchant.id, message.terminal, message.batch_no)
    agrees = await claims.close_batch(batch, message.totals)
    code = response_codes.APPROVED if agrees else response_codes.RECONCILE_ERROR
    settlement = IN_BALANCE if agrees else OUT_OF_BALANCE
    return answer(message.fields, code, extra={**echoed, DE66_SETTLEMENT_CODE: settlement})
