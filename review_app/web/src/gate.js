// The gate: the cap follows the number of takes until somebody types their own, and the page says when it is stale.

import { handle } from "./keys.js";

const shot = document.querySelector("script[data-shot]").dataset.shot;
const cap = document.getElementById("cap");
let chosen = null;

cap?.addEventListener("input", () => delete cap.dataset.proposed);
document.body.addEventListener("change", (event) => {
  if (event.target.name === "backend") chosen = new Set(checked());
});
const checked = () => [...document.querySelectorAll("input[name=backend]:checked")].map((field) => field.value);

document.body.addEventListener("htmx:afterSwap", () => {
  const quotes = document.getElementById("quotes");
  if (cap && "proposed" in cap.dataset && quotes?.dataset.cap) cap.value = quotes.dataset.cap;
  if (chosen) for (const field of document.querySelectorAll("input[name=backend]")) field.checked = chosen.has(field.value);
});
for (const topic of [shot, "all"]) {
  document.body.addEventListener(`told-${topic}`, () => (document.querySelector("[data-stale]").hidden = false));
}
handle({
  sign: () => (document.querySelector("#passphrase") ?? document.querySelector("#sign") ?? document.querySelector("#takes"))?.focus(),
  "to-shot": () => location.assign(`/shots/${shot}`),
});
