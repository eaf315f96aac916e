// The side of a shot's page: takes, notes and their words, kept up to date without losing what somebody writes.

import { handle } from "./keys.js";
import { send } from "./forms.js";
import { Ink } from "./ink.js";

const page = document;
const find = (selector) => page.querySelector(selector);
const player = find("[data-player]").player;
const ink = new Ink(player);
const shot = player.told.shot.name;
const form = find("#note-form");
const word = find("#word");
let sentAs = crypto.randomUUID();

const ASKED = {
  reject: { title: "Reject", ask: "What is wrong with it", do: "Reject" },
  retake: { title: "One more take", ask: "Direction for it alone", do: "Ask for it" },
};

/** The take that is in hand: the one that is shown, else the one in the film, else the newest. */
function inHand() {
  const [stage, version] = player.a.split(".");
  if (stage === "render") return Number(version);
  const rows = [...page.querySelectorAll("[data-take]")];
  const row = rows.find((one) => one.textContent.includes("in the film")) ?? rows[0];
  return row ? Number(row.dataset.take) : 0;
}
const takeOnScreen = () => (player.a.startsWith("render.") ? player.a.split(".")[1] : "");
const tell = (text) => player.say(text);
const asIs = () => page.body.dispatchEvent(new CustomEvent("said"));

async function circle(take = inHand()) {
  if (!take) return tell("there is no take to circle yet");
  try {
    tell((await send(`/shots/${shot}/takes`, { word: "circle", take, note: "" })).said);
    asIs();
  } catch (error) {
    tell(error.message);
  }
}
function ask(what, take = inHand()) {
  if (!word) return tell("a reviewer says of takes");
  if (!take && what === "reject") return tell("there is no take to reject yet");
  const fields = word.querySelector("form").elements;
  const say = (name, text) => (word.querySelector(`[data-say=${name}]`).textContent = text);
  find("#word-title").textContent = take && what === "reject" ? `${ASKED[what].title} ${shot} take ${take}` : `${ASKED[what].title} of ${shot}`;
  say("ask", ASKED[what].ask);
  say("do", ASKED[what].do);
  fields.word.value = what;
  fields.take.value = take;
  fields.sent_as.value = crypto.randomUUID();
  fields.note.required = what === "reject";
  word.querySelector("[data-told]").textContent = "";
  player.halt();
  word.showModal();
  fields.note.focus();
}

// Notes

function about() {
  if (!form) return;
  const whole = find("#whole-shot").checked;
  const frame = player.now.clip.shot === shot ? player.now.frame : "";
  const fields = form.elements;
  fields.take.value = takeOnScreen();
  fields.drawing.value = whole || !frame ? "" : ink.written(frame);
  // An answer lies where its note does, unless something is drawn to it.
  const answers = fields.reply_to.value && !fields.drawing.value;
  fields.frame.value = whole || answers ? "" : frame;
  fields.sent_as.value = sentAs;
  form.querySelector("[data-say=on]").textContent = whole || !frame ? "on the shot" : `on ${frame}${fields.drawing.value ? ", with a drawing" : ""}`;
}
function answer(number, who) {
  const line = form.querySelector(".answering");
  form.elements.reply_to.value = number;
  line.hidden = !number;
  line.querySelector("[data-say]").textContent = number ? `Answering ${who}` : "";
  about();
  if (number) find("#note-text").focus();
}
function stepNote(way) {
  const frames = [...new Set(player.notes.map((note) => note.frame))].sort((a, b) => a - b);
  const now = player.now.frame;
  const next = way > 0 ? frames.find((frame) => frame > now) : frames.findLast((frame) => frame < now);
  if (!next) return tell(frames.length ? "there is no further note" : "there are no notes on frames");
  const place = player.reel.placeOf(shot, next);
  if (place >= 0) player.seek(place);
  const note = player.notes.find((one) => one.frame === next);
  page.querySelector(`#note-${note.number}`)?.closest(".thread").scrollIntoView({ block: "nearest" });
}
function readNotes() {
  player.notes = JSON.parse(find("#live").dataset.notes).map((note) => ({ ...note, shot }));
  ink.show(player.notes);
  player.screen();
}
function mark() {
  const take = `${inHand()}`;
  for (const row of page.querySelectorAll("[data-take]")) {
    if (row.dataset.take === take) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}
function recipe() {
  const link = find("[data-recipe]");
  const address = player.recipe();
  if (!link) return;
  link.hidden = !address;
  if (address && link.getAttribute("href") !== address) link.setAttribute("href", address);
}

handle({
  gate: () => find("#to-gate")?.click() ?? false,
  circle: () => (word ? circle() : tell("a reviewer circles takes")),
  reject: () => ask("reject"),
  retake: () => ask("retake"),
  note: () => {
    if (!form) return tell("a reviewer writes notes");
    player.halt();
    find("#note-text").focus();
  },
  "no-answer": () => answer("", ""),
  "note-next": () => stepNote(1),
  "note-previous": () => stepNote(-1),
  draw: () => {
    if (!form) return tell("a reviewer draws");
    find("#whole-shot").checked = false;
    ink.toggle();
  },
});

page.addEventListener("click", (event) => {
  const pressed = event.target instanceof Element && event.target.closest("[data-word], [data-show], [data-seek], [data-answer]");
  if (!pressed) return;
  const { word: said, of, show, seek, answer: number, who } = pressed.dataset;
  if (said === "circle") circle(Number(of));
  else if (said) ask(said, Number(of));
  else if (show) player.choose("a", show);
  else if (seek) player.seek(player.reel.placeOf(shot, Number(seek)));
  else answer(number, who);
});
page.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target instanceof HTMLTextAreaElement) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
page.addEventListener("sent", (event) => {
  tell(event.detail.said);
  if (event.target === form) {
    ink.forget(Number(form.elements.frame.value));
    sentAs = crypto.randomUUID();
    find("#note-text").value = "";
    page.activeElement?.blur();
    answer("", "");
    ink.stop();
  } else {
    event.target.reset();
    word.close();
    const [, take] = (event.detail.back ?? "").split("?a=");
    if (take) player.want(take);
  }
  asIs();
  about();
});
find("#whole-shot")?.addEventListener("change", about);
ink.drew = about;

// What comes anew

page.body.addEventListener("htmx:afterSettle", () => {
  if (find("#live").dataset.notes !== readNotes.last) {
    readNotes.last = find("#live").dataset.notes;
    readNotes();
  }
  player.heard(JSON.parse(find("#made").dataset.strips));
  mark();
  recipe();
});
player.looked = () => {
  about();
  mark();
  recipe();
  ink.look();
};
readNotes.last = find("#live").dataset.notes;
readNotes();
player.looked();
