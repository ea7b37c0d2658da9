"""The words of a statement, in the languages of the programme (PF-4)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias


class Language(StrEnum):
    EN = "en"
    KO = "ko"


Words: TypeAlias = Mapping[str, str]

WORDS: Final[Mapping[Language, Words]] = {
    Language.EN: {
        "title": "Settlement statement",
        "merchant": "Merchant",
        "merchant_no": "Merchant number",
        "day": "Business day",
        "statement": "Statement",
        "currency": "Currency",
        "brought": "Brought forward",
        "captured": "Captures",
        "refunded": "Refunds",
        "reversed": "Reversals",
        "charged_back": "Disputes lost",
        "loaded": "Cash taken for cards",
        "fees": "Fees",
        "paid": "Paid out",
        "carried": "Carried forward",
        "date": "Date",
        "time": "Time",
        "kind": "Kind",
        "payment": "Payment",
        "action": "Action",
        "amount": "Amount",
        "fee": "Fee",
        "net": "Net",
        "count": "Count",
        "sums": "Per day and kind",
        "lines": "Actions",
        "cut": "The first {shown} of {total} actions. The CSV file has all of them.",
        "capture": "capture",
        "refund": "refund",
        "reversal": "reversal",
        "dispute_lost": "dispute lost",
        "load": "cash for a card",
        "load_reversal": "cash returned",
    },
    Language.KO: {
        "title": "정산 명세서",
        "merchant": "가맹점",
        "merchant_no": "가맹점 번호",
        "day": "영업일",
        "statement": "명세서",
        "currency": "통화",
        "brought": "전기 이월",
        "captured": "매입",
        "refunded": "환불",
        "reversed": "취소",
        "charged_back": "분쟁 차감",
        "loaded": "카드 충전 수납금",
        "fees": "수수료",
        "paid": "지급액",
        "carried": "차기 이월",
        "date": "날짜",
        "time": "시각",
        "kind": "구분",
        "payment": "결제",
        "action": "거래",
        "amount": "금액",
        "fee": "수수료",
        "net": "정산액",
        "count": "건수",
        "sums": "일자 및 구분별 합계",
        "lines": "거래 내역",
        "cut": "전체 {total}건 중 처음 {shown}건입니다. 전체 내역은 CSV 파일에 있습니다.",
        "capture": "매입",
        "refund": "환불",
        "reversal": "취소",
        "dispute_lost": "분쟁 차감",
        "load": "카드 충전",
        "load_reversal": "충전 취소",
    },
}


def preferred_language(accept_language: str | None) -> Language:
    """What a reader wants by HTTP's `Accept-Language` (RFC 9110, 12.5.4); English where it names neither.

    >>> preferred_language("fr, ko-KR;q=0.9, en;q=0.8"), preferred_language(None)
    (<Language.KO: 'ko'>, <Language.EN: 'en'>)
    """
    best, best_quality = Language.EN, "0"
    for part in (accept_language or "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        wanted = tag.strip().lower().partition("-")[0]
        # As text: at most three decimals after 0 or 1 sort as the numbers do.
        if wanted in list(Language) and (quality.strip() or "1") > best_quality:
            best, best_quality = Language(wanted), quality.strip() or "1"
    return best
