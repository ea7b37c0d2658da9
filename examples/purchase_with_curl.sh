#!/bin/sh
# A purchase with curl: a member gets a one-time number, a merchant charges it.
# Start `make demo` first. Usage: examples/purchase_with_curl.sh [demo.json]
set -eu
DEMO=${1:-.obverse/demo.json}
. "$(dirname "$0")/shell.sh"
merchant_key=$(field merchants.0.api_key <"$DEMO")

# call TOKEN PATH BODY [more curl options]
call() {
    token=$1 path=$2 body=$3
    shift 3
    curl -sS "$URL$path" -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d "$body" "$@"
}

session=$(call none /v1/sessions "{\"member\": \"$MEMBER\", \"password\": \"$PASSWORD\"}" | field token)
card=$(call "$session" /v1/cards '{"controls": {"amount_limit": 50000}}' | field id)
face=$(mktemp)
trap 'rm -f "$face"' EXIT
call "$session" "/v1/cards/$card/reveal" '{}' >"$face"
payment=$(payment "$face" 34000 KRW)

call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: order-$card"
echo
# The number has worked once. The same request again is the same payment; a new one is declined.
call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: order-$card" -o /dev/null -D - | grep -i idempotency-hit
call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: another-$card"
echo
