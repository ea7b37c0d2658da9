"use strict";

const form = document.getElementById("checkout");
const result = document.getElementById("result");
const list = document.getElementById("orders");

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

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  result.textContent = "One moment ...";
  const response = await fetch("/checkout", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      amount: Number(fields.amount),
      card_number: fields.card_number.replaceAll(" ", ""),
      exp_month: fields.exp_month ? Number(fields.exp_month) : null,
      exp_year: fields.exp_year ? Number(fields.exp_year) : null,
      cvv: fields.cvv || null,
      pin: fields.pin || null,
      holder: fields.holder_name
        ? { name: fields.holder_name, phone: fields.holder_phone || null, mail: fields.holder_mail || null }
        : null,
      road: fields.road,
    }),
  });
  const answer = await response.json();
  result.textContent = response.ok ? describe(answer) : answer.detail;
  await showOrders();
});

// The wallet program listens for the order, and answers with "obverse-wallet-kept" once the provider keeps it.
document.getElementById("wallet").addEventListener("click", async () => {
  const items = [{ name: "Something nice", quantity: 1, unit_amount: Number(form.elements.amount.value) }];
  const response = await fetch("/carts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ items }),
  });
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
