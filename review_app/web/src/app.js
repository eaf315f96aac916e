// What every page has: htmx, the keys, the help, the theme, lists that arrows walk through, and news of the film.

import htmx from "htmx.org";
import { act, handle, handled, listen } from "./keys.js";
import { watchFind } from "./find.js";
import { send, watchForms } from "./forms.js";

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.allowScriptTags = false;
htmx.config.historyCacheSize = 0;
// What is swapped in is there at once, words and what the page knows of them: nothing here fades.
htmx.config.defaultSettleDelay = 0;

const page = document.documentElement;

function theme() {
  const next = page.dataset.theme === "light" ? "dark" : "light";
  page.dataset.theme = next;
  localStorage.setItem("theme", next);
  document.body.dispatchEvent(new CustomEvent("theme"));
}

const help = () => document.getElementById("help");
const go = (place) => () => location.assign(place);

function items() {
  return [...document.querySelectorAll("[data-item]")].filter((item) => item.offsetParent !== null);
}

function walk(step) {
  const all = items();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement?.closest("[data-item]"));
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  (next.matches("a, button") ? next : next.querySelector("a, button")).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

handle({
  help: () => (help().open ? help().close() : help().showModal()),
  close: () => {
    document.querySelectorAll("dialog[open]").forEach((open) => open.close());
    // Out of a field, so that the keys work again.
    if (document.activeElement?.matches("input, textarea, select")) document.activeElement.blur();
    document.body.dispatchEvent(new CustomEvent("close"));
  },
  search: () => document.querySelector("[data-search]")?.focus(),
  theme,
  "go-scenes": go("/scenes"),
  "go-board": go("/board"),
  "go-dailies": go("/dailies"),
  "go-pictures": go("/pictures/storyboard"),
  "go-find": go("/find"),
  "go-spend": go("/spend"),
  "go-workers": go("/workers"),
});
if (document.querySelector("[data-list]")) {
  handle({
    "list-next": () => walk(1),
    "list-previous": () => walk(-1),
    "list-open": () => document.activeElement?.closest("[data-item]")?.querySelector("a")?.click(),
  });
}

/** Hear of what changes in the film while the page is looked at. Hidden pages let go of their connection. */
function hear() {
  if (!document.body.dataset.events) return;
  let source = null;
  // A page hears on from what it shows; what came while nobody listened is told when somebody does.
  let heard = document.body.dataset.events;
  const open = () => {
    if (document.hidden || source) return;
    source = new EventSource(`/events?since=${heard}`);
    for (const name of ["changed", "landed"]) {
      source.addEventListener(name, (event) => {
        heard = event.lastEventId;
        document.body.dispatchEvent(new CustomEvent(name, { detail: event.data }));
      });
    }
    source.addEventListener("told", (event) => {
      heard = event.lastEventId;
      document.body.dispatchEvent(new CustomEvent("told"));
      for (const topic of JSON.parse(event.data)) document.body.dispatchEvent(new CustomEvent(`told-${topic === "*" ? "all" : topic}`));
    });
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
}

document.addEventListener("click", (event) => {
  const pressed = event.target instanceof Element && event.target.closest("[data-act]");
  if (pressed) act(pressed.dataset.act);
});
// A picture that can't be had says so by its own words and leaves no broken frame.
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) event.target.classList.add("missing");
}, true);

listen(JSON.parse(document.getElementById("keys").textContent));
watchFind();
watchForms();
hear();

export { act, handle, handled, send };
