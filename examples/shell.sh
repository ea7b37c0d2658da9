# What the examples of docs/rest.md need. Start `make demo` first, then: . examples/shell.sh
# Sets URL, KEY (an operator's), MEMBER and PASSWORD from $DEMO, or else from .obverse/demo.json.

# field PATH: one value out of the JSON on standard input, e.g. `field data.0.id`.
field() {
    python3 -c 'import json, sys
found = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    found = found[int(step) if step.isdigit() else step]
print(found)' "$1"
}
# payment FACE AMOUNT CURRENCY: the body of a payment with the card in the file FACE.
payment() {
    python3 -c 'import json, sys
face = json.load(open(sys.argv[1]))
print(json.dumps({"card_number": face["number"], "amount": int(sys.argv[2]), "currency": sys.argv[3],
    **{name: face[name] for name in ("exp_month", "exp_year", "cvv")}}))' "$@"
}
# business_day: the day to which the time on standard input belongs in the demonstration.
business_day() {
    python3 -c 'import sys; from datetime import datetime, timedelta
print((datetime.fromisoformat(sys.stdin.read().strip().replace("Z", "+00:00")) + timedelta(hours=9)).date())'
}

DEMO=${DEMO:-.obverse/demo.json}
URL=$(field rest_url <"$DEMO")
KEY=$(field api_key <"$DEMO")
MEMBER=$(field members.0.id <"$DEMO")
PASSWORD=$(field members.0.password <"$DEMO")
