// Ink: drawings on frames. Strokes are kept in parts of the picture, so that they lie right at any size.

import { handle } from "./keys.js";

const NS = "http://www.w3.org/2000/svg";
const COLOURS = { amber: "#ffb52e", cyan: "#35d6ff", magenta: "#ff6ad5", white: "#ffffff" };
const NEAR = 0.01;
const FAR = 0.06;
const CLOSE_ENOUGH = 0.002;

const rounded = (part) => Math.round(part * 10000) / 10000;
const within = (part) => Math.max(-0.5, Math.min(1.5, part));

export class Ink {
  constructor(player) {
    this.player = player;
    this.stage = player.element.querySelector(".stage");
    this.svg = make("svg", { class: "ink", "aria-hidden": "true" });
    this.saved = make("g", { class: "saved" });
    this.fresh = make("g", { class: "fresh" });
    this.cross = make("path", { class: "cross" });
    this.svg.append(this.saved, this.fresh, this.cross);
    this.stage.append(this.svg);
    this.drafts = new Map();
    this.notes = [];
    this.on = false;
    this.tool = "pen";
    this.colour = "amber";
    this.at = [0.5, 0.5];
    this.stroke = null;
    this.drew = () => {};
    this.tools = this.player.element.querySelector("[data-ink-tools]");
    this.hands();
    new ResizeObserver(() => this.look()).observe(this.stage);
  }

  /** The strokes that somebody drew on a frame and has not sent, as they are sent; empty where there are none. */
  written(frame) {
    const strokes = this.drafts.get(frame);
    return strokes?.length ? JSON.stringify({ strokes }) : "";
  }
  forget(frame) {
    this.drafts.delete(frame);
    this.look();
  }
  /** notes: {frame, drawing}, of which those are shown that lie on the frame on screen. */
  show(notes) {
    this.notes = notes;
    this.look();
  }
  get frame() {
    const { clip, frame } = this.player.now;
    return clip.shot === this.player.told.shot.name ? frame : 0;
  }
  get strokes() {
    if (!this.drafts.has(this.frame)) this.drafts.set(this.frame, []);
    return this.drafts.get(this.frame);
  }

  // What is seen

  /** The part of the stage that the picture takes. */
  box() {
    const [width, height] = this.player.told.size;
    const [w, h] = [this.stage.clientWidth, this.stage.clientHeight];
    const scale = Math.min(w / width, h / height);
    return { left: (w - width * scale) / 2, top: (h - height * scale) / 2, width: width * scale, height: height * scale };
  }
  look() {
    const box = this.box();
    if (!box.width) return;
    if (this.on && !this.player.stopped) this.stop();
    const frame = this.player.stopped ? this.frame : 0;
    this.saved.replaceChildren(...this.notes.filter((note) => note.drawing && note.frame === frame).flatMap((note) => draw(note.drawing.strokes, box)));
    const fresh = [...(this.drafts.get(frame) ?? []), ...(this.stroke && this.stroke.frame === frame ? [this.stroke] : [])];
    this.fresh.replaceChildren(...(frame ? draw(fresh, box) : []));
    const [x, y] = [box.left + this.at[0] * box.width, box.top + this.at[1] * box.height];
    this.cross.setAttribute("d", this.on ? `M${x - 9} ${y}h18M${x} ${y - 9}v18` : "");
  }

  // Drawing

  toggle() {
    if (this.on) this.stop();
    else this.start();
  }
  start() {
    this.player.halt();
    if (this.player.wipe !== null) this.player.toggleWipe();
    if (!this.frame) return this.player.say("draw on a frame of this shot");
    this.on = true;
    this.stage.dataset.drawing = "yes";
    if (this.tools) this.tools.hidden = false;
    this.stage.focus({ preventScroll: true });
    this.pressed();
    this.look();
  }
  stop() {
    if (!this.on) return;
    this.lift();
    this.on = false;
    delete this.stage.dataset.drawing;
    if (this.tools) this.tools.hidden = true;
    this.pressed();
    this.look();
  }
  pressed() {
    for (const button of document.querySelectorAll("[data-act=draw]")) button.setAttribute("aria-pressed", this.on);
  }
  press() {
    this.stroke = { tool: this.tool, colour: this.colour, points: [this.point()], frame: this.frame };
    this.look();
  }
  point() {
    return this.at.map((part) => rounded(within(part)));
  }
  move(at) {
    this.at = at;
    if (this.stroke && this.stroke.frame !== this.frame) this.stroke = null;
    if (this.stroke) {
      const { points, tool } = this.stroke;
      const [x, y] = this.point();
      const [lastX, lastY] = points.at(-1);
      if (tool !== "pen") this.stroke.points = [points[0], [x, y]];
      else if (Math.hypot(x - lastX, y - lastY) >= CLOSE_ENOUGH && points.length < 4000) points.push([x, y]);
    }
    this.look();
  }
  lift() {
    if (!this.stroke) return;
    const { frame, ...stroke } = this.stroke;
    this.stroke = null;
    if (frame === this.frame && (stroke.tool === "pen" || stroke.points.length > 1)) this.strokes.push(stroke);
    this.look();
    this.drew();
  }
  undo() {
    this.stroke = null;
    this.strokes.pop();
    this.look();
    this.drew();
  }
  hands() {
    const at = (event) => {
      const [box, stage] = [this.box(), this.stage.getBoundingClientRect()];
      return [(event.clientX - stage.left - box.left) / box.width, (event.clientY - stage.top - box.top) / box.height];
    };
    this.stage.addEventListener("pointerdown", (event) => {
      if (!this.on || event.button) return;
      event.preventDefault();
      this.stage.setPointerCapture(event.pointerId);
      this.at = at(event);
      this.press();
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!this.on) return;
      // A fast hand makes more points than events.
      const all = this.stroke ? event.getCoalescedEvents?.() ?? [] : [];
      for (const one of all.length ? all : [event]) this.move(at(one));
    });
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, () => this.lift());
    document.body.addEventListener("close", () => this.stop());
    this.tools?.addEventListener("change", (event) => {
      this[event.target.name === "ink-tool" ? "tool" : "colour"] = event.target.value;
      this.stage.focus({ preventScroll: true });
    });
    const step = (x, y) => () => (this.on ? this.move([this.at[0] + x, this.at[1] + y]) : false);
    const moves = { right: [1, 0], left: [-1, 0], up: [0, -1], down: [0, 1] };
    for (const [name, [x, y]] of Object.entries(moves)) {
      handle({ [`pen-${name}`]: step(x * NEAR, y * NEAR), [`pen-far-${name}`]: step(x * FAR, y * FAR) });
    }
    handle({
      "pen-press": () => (this.on ? (this.stroke ? this.lift() : this.press()) : false),
      undo: () => (this.on ? this.undo() : false),
    });
  }
}

function make(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Strokes as shapes: each twice, dark beneath and coloured above, so that it reads on any picture. */
function draw(strokes, box) {
  const place = ([x, y]) => [box.left + x * box.width, box.top + y * box.height];
  const width = Math.max(2, box.width / 320);
  return strokes.flatMap(({ tool, colour, points }) => {
    const d = shape(tool, points.map(place), width);
    const common = { d, fill: "none", "stroke-linecap": "round", "stroke-linejoin": "round" };
    return [
      make("path", { ...common, stroke: "#000", "stroke-opacity": "0.65", "stroke-width": width * 2 }),
      make("path", { ...common, stroke: COLOURS[colour] ?? COLOURS.amber, "stroke-width": width }),
    ];
  });
}

function shape(tool, points, width) {
  const [[x, y]] = points;
  const [endX, endY] = points.at(-1);
  if (tool === "box") return `M${x} ${y}H${endX}V${endY}H${x}Z`;
  const line = `M${points.map((point) => point.join(" ")).join("L")}${points.length < 2 ? "h0" : ""}`;
  if (tool !== "arrow" || points.length < 2) return line;
  const [backX, backY] = points.findLast(([px, py]) => Math.hypot(px - endX, py - endY) > width * 2) ?? points[0];
  const angle = Math.atan2(endY - backY, endX - backX);
  const head = (turn) => `${endX - Math.cos(angle + turn) * width * 6} ${endY - Math.sin(angle + turn) * width * 6}`;
  return `${line}M${head(0.5)}L${endX} ${endY}L${head(-0.5)}`;
}
