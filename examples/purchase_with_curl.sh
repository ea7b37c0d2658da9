#!/bin/sh
# A purchase with curl: a member gets a one-time number, a merchant charges it.
# Start `make demo` first. Usage: examples/purchase_with_curl.sh [demo.json]
set -eu
demo=${1:-.obverse/demo.json}

# value PATH: one value out of the JSON on standard input, e.g. `value members.0.id`.
value() {
    python3 -c 'import json, sys
found = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    found = found[int(step) if step.isdigit() else step]
print(found)' "$1"
}
# call TOKEN PATH BODY [more curl options]
call() {
    token=$1 path=$2 body=$3
    shift 3
    curl -sS "$url$path" -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d "$body" "$@"
}

url=$(value rest_url <"$demo")
member=$(value members.0.id <"$demo")
password=$(value members.0.password <"$demo")
merchant_key=$(value merchants.0.api_key <"$demo")

session=$(call none /v1/sessions "{\"member\": \"$member\", \"password\": \"$password\"}" | value token)
card=$(call "$session" /v1/cards '{"controls": {"amount_limit": 50000}}' | value id)
face=$(call "$session" "/v1/cards/$card/reveal" '{}')

payment=$(printf '%s' "$face" | python3 -c 'import json, sys
face = json.load(sys.stdin)
print(json.dumps({"card_number": face["number"], "exp_month": face["exp_month"], "exp_year": face["exp_year"],
                  "cvv": face["cvv"], "amount": 34000, "currency": "KRW"}))')
call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: order-$card"
echo
# The number has worked once. The same request again is the same payment; a new one is declined.
call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: order-$card" -o /dev/null -D - | grep -i idempotency-hit
call "$merchant_key" /v1/payments "$payment" -H "Idempotency-Key: another-$card"
echo
