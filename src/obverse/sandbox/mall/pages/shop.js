"use strict";

const form = document.getElementById("checkout");
const result = document.getElementById("result");
const list = document.getElementById("orders");
const points = document.getElementById("points");

const describe = (order) =>
  `${order.amount.toLocaleString()} won, card ${order.card}: ${order.status}` +
  (order.approval_code ? `, approval code ${order.approval_code}` : "") +
  (order.status === "declined" && order.code ? ` (${order.code})` : "");

async function showOrders() {
  const { data } = await (await fetch("/orders")).json();
  if (data.length === 0) return;
  list.replaceChildren(...data.reverse().map((order) => {
    const item = document.createElement("li");
    item.textContent = describe(order);
    return item;
  }));
}

const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

const card = (fields) => ({
  amount: Number(fields.amount),
  card_number: fields.card_number.replaceAll(" ", ""),
  exp_month: fields.exp_month ? Number(fields.exp_month) : null,
  exp_year: fields.exp_year ? Number(fields.exp_year) : null,
  cvv: fields.cvv || null,
  pin: fields.pin || null,
});

async function pay(path, body) {
  result.textContent = "One moment ...";
  const response = await post(path, body);
  const answer = await response.json();
  result.textContent = response.ok ? describe(answer) : answer.detail;
  await showOrders();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  const picked = [...points.querySelectorAll("input:checked")].map((box) => ({ number: Number(box.value) }));
  await pay("/checkout", {
    ...card(fields),
    holder: fields.holder_name
      ? { name: fields.holder_name, phone: fields.holder_phone || null, mail: fields.holder_mail || null }
      : null,
    road: fields.road,
    tender: picked,
    quote: picked.length > 0 ? points.dataset.quote : null,
  });
  forgetPoints();
});

// What is picked goes with the road to the provider, and with the quote it was shown in.
document.getElementById("show-points").addEventListener("click", async () => {
  if (!form.reportValidity()) return;
  forgetPoints();
  const response = await post("/points", card(Object.fromEntries(new FormData(form))));
  const { quote, data } = await response.json();
  if (!quote) {
    result.textContent = "There are no points to pay with.";
    return;
  }
  points.append(...data.map((row) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: row.number });
    box.disabled = row.trouble !== null;
    const label = document.createElement("label");
    label.append(box, row.trouble === null
      ? ` ${row.issuer}: ${row.units.toLocaleString()} ${row.unit}, worth ${(row.worth ?? 0).toLocaleString()} won`
      : ` ${row.issuer}: ${row.trouble}`);
    return label;
  }));
  points.dataset.quote = quote;
  points.hidden = false;
  form.elements.road.value = "direct";
});

function forgetPoints() {
  points.replaceChildren(points.querySelector("legend"));
  points.hidden = true;
}

document.getElementById("scan").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  event.target.reset();
  await pay("/scans", { amount: Number(form.elements.amount.value), code: fields.code, pin: fields.pin || null });
});

// The wallet program listens for the order, and answers with "obverse-wallet-kept" once the provider keeps it.
document.getElementById("wallet").addEventListener("click", async () => {
  const items = [{ name: "Something nice", quantity: 1, unit_amount: Number(form.elements.amount.value) }];
  const response = await post("/carts", { items });
  const order = await response.json();
  result.textContent = "Go on in your wallet ...";
  const collect = async () => {
    const answer = await (await fetch(`/orders/${order.order}/collect`, { method: "POST" })).json();
    result.textContent = describe(answer);
    await showOrders();
  };
  document.addEventListener("obverse-wallet-kept", collect, { once: true });
  document.dispatchEvent(new CustomEvent("obverse-wallet-order", { detail: order }));
});

showOrders();
