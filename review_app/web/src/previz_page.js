// Opens the 3D viewer on the page of a shot, at the frame that the address asks for, and lists its keys in the help.
import { handBack } from "./edits.js";

const element = document.querySelector("[data-previz]");
const { GROUPS, KEYS, open, signOf } = await import(element.dataset.module);
const urls = JSON.parse(document.getElementById(element.dataset.previz).textContent);
const frame = Number(new URLSearchParams(location.search).get("frame")) || undefined;

element.addEventListener("previz:frame", ({ detail }) => {
  history.replaceState(history.state, "", `?frame=${detail.frame}`);
});
element.previz = open(element, { ...urls, frame });
listKeys();
handBack(element, urls.edits);
// What stops it from opening is said in its place, by itself.
element.previz.ready.then(() => element.previz.focus(), () => {});

function listKeys() {
  const list = document.querySelector("#help .keys");
  for (const [group, title] of Object.entries(GROUPS)) {
    const rows = KEYS.filter((row) => row.group === group).map((row) => {
      const [key, says, pair] = ["kbd", "dd", "div"].map((name) => document.createElement(name));
      key.textContent = signOf(row);
      says.textContent = row.does;
      const term = document.createElement("dt");
      term.append(key);
      pair.append(term, says);
      return pair;
    });
    const [section, heading, terms] = ["section", "h3", "dl"].map((name) => document.createElement(name));
    heading.textContent = `In 3D: ${title}`;
    terms.append(...rows);
    section.append(heading, terms);
    list.append(section);
  }
}
