/** The viewer's furniture: tool bar, the picture with what lies over it, what is selected, the exposure sheet. */

import { signFor } from "./keys.js";

/** Build the furniture into an element. act: told the action of a button, as in KEYS. */
export function furnish(element, shot, act) {
  const root = made("section", { class: "previz-viewer", tabindex: "0", "aria-label": `Previz of ${shot.shot}` });
  const bar = made("div", { class: "previz-bar", role: "toolbar", "aria-label": "Previz tools" });
  const buttons = new Map();
  for (const group of BAR) {
    const box = made("div", { class: "previz-group", role: "group", "aria-label": group.says });
    for (const [action, text] of group.buttons) {
      const sign = signFor(action.split("=")[0]);
      const button = made("button", { type: "button", title: `${text} (${sign})`, "aria-pressed": "false" }, text);
      button.addEventListener("click", () => act(action));
      buttons.set(action, button);
      box.append(button);
    }
    bar.append(box);
  }
  const view = made("div", { class: "previz-view" });
  const canvas = made("canvas", { class: "previz-canvas", role: "img", "aria-label": `${shot.shot} in 3D` });
  const labels = made("div", { class: "previz-labels", "aria-hidden": "true" });
  const lens = made("output", { class: "previz-lens" });
  const inset = made("div", { class: "previz-inset", "aria-hidden": "true" }, made("span", {}, "Camera"));
  const notice = made("p", { class: "previz-notice", role: "status", hidden: "" });
  const chosen = made("aside", { class: "previz-chosen", "aria-label": "Selected", hidden: "" });
  const gate = made("div", { class: "previz-over", "aria-hidden": "true" });
  view.append(canvas, gate, labels, lens, inset, chosen, notice);
  const foot = made("div", { class: "previz-foot" });
  const count = made("output", { class: "previz-count" });
  const strip = made("canvas", {
    class: "previz-sheet",
    role: "slider",
    tabindex: "0",
    "aria-label": "Exposure sheet",
    "aria-valuemin": shot.firstFrame,
    "aria-valuemax": shot.lastFrame,
  });
  foot.append(count, strip);
  root.append(bar, view, foot);
  element.append(root);
  return { root, bar, buttons, view, canvas, gate, labels, lens, inset, notice, chosen, count, strip };
}

const BAR = [
  { says: "View", buttons: [["view:camera", "Camera"], ["view:free", "Free"], ["view:plan", "Plan"]] },
  { says: "Surface", buttons: [["surface=textured", "Textured"], ["surface=clay", "Clay"], ["surface=wire", "Wire"]] },
  { says: "Light", buttons: [["light=work", "Work light"], ["light=shot", "Shot light"]] },
  {
    says: "Hands",
    buttons: [["tool:move", "Move"], ["tool:turn", "Turn"], ["tool:measure", "Measure"], ["toggle:operate", "Operate"]],
  },
  {
    says: "Show",
    buttons: [
      ["toggle:guides", "Guides"],
      ["toggle:inset", "Inset"],
      ["toggle:rods", "Rods"],
      ["toggle:lights", "Lights"],
      ["toggle:cutaway", "Cut walls"],
      ["toggle:shadows", "Shadows"],
    ],
  },
];

export function press(buttons, pressed) {
  for (const [action, button] of buttons) button.setAttribute("aria-pressed", String(pressed.has(action)));
}

export function made(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

/** What is selected: its numbers, what can be done with it, and what is proposed. told: see Viewer.chosenTold. */
export function showChosen(panel, told, act) {
  const said = JSON.stringify(told);
  if (panel.dataset.said === said) return;
  panel.dataset.said = said;
  panel.toggleAttribute("hidden", told === null);
  if (told === null) return;
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.action : undefined;
  const facts = made("dl");
  for (const [name, value] of told.facts) facts.append(made("dt", {}, name), made("dd", {}, value));
  const does = made("div", { class: "does" });
  for (const { action, text, pressed } of told.does) {
    const button = made("button", { type: "button", "data-action": action }, text);
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    button.addEventListener("click", () => act(action));
    does.append(button);
  }
  const list = made("ul", { class: "proposed" });
  for (const text of told.proposed) list.append(made("li", {}, text));
  const parts = [made("h3", {}, told.title), facts, does];
  if (told.refusal) parts.push(made("p", { class: "refusal" }, told.refusal));
  if (told.proposed.length > 0) parts.push(made("h4", {}, "Proposed"), list);
  panel.replaceChildren(...parts);
  if (focused) panel.querySelector(`[data-action="${focused}"]`)?.focus();
}
