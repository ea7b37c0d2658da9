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
      exp_month: Number(fields.exp_month),
      exp_year: Number(fields.exp_year),
      cvv: fields.cvv,
      road: fields.road,
    }),
  });
  const answer = await response.json();
  result.textContent = response.ok ? describe(answer) : answer.detail;
  await showOrders();
});

showOrders();
