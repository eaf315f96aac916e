/**
 * The previz island: a shot's set, posed puppets and camera in 3D.
 *
 *   import { KEYS, open } from "/static/previz.js";
 *   const previz = open(element, { previz: url, models: { puppet_odile_glb: url }, set: url, frame: 1001 });
 *   await previz.ready;
 *
 * previz is the URL of the shot's previz.json (role `previz` of the cameras turnover) or the document itself; models are
 * the puppets' glb by role or by puppet, set is the set's. Events on the element, each with its `detail`:
 *   previz:frame    { frame, exposed }         the frame on screen, and the exposure that is on it
 *   previz:edit     { shot, change, changes }  what was dragged last (null: taken back), and all that is proposed
 *   previz:measure  { from, to, metres }
 *   previz:problem  { message }
 * A change is what film_pipeline.core.edits reads. Nothing is written here.
 */

import css from "./previz.css" with { type: "text" };
import { Crew } from "./crew.js";
import { furnish, made } from "./panel.js";
import { Shot, fetchShot } from "./shot.js";
import { Sheet } from "./sheet.js";
import { Viewer } from "./viewer.js";

export { KEYS, GROUPS, signOf } from "./keys.js";

let style = null;

/** A style sheet of the document, once: no inline style, so that the page's policy may forbid those. */
function dress() {
  if (style !== null) return;
  style = new CSSStyleSheet();
  style.replaceSync(css);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, style];
}

export function open(element, { previz, models = {}, set, frame } = {}) {
  dress();
  return new Previz(element, previz, { ...models }, set, frame);
}

class Previz {
  constructor(element, previz, models, set, frame) {
    Object.assign(this, { element, asked: frame, models, set });
    this.element.setAttribute("aria-busy", "true");
    this.stopped = new AbortController();
    this.waiting = made("p", { role: "status" }, "The shot is being opened.");
    element.append(this.waiting);
    this.ready = this.begin(previz).catch((error) => this.fail(error));
    this.ready.catch(() => {});
  }

  async begin(previz) {
    const shot = await this.read(previz);
    if (this.disposed) return this;
    this.waiting.remove();
    this.furnish(shot);
    const urls = this.set === undefined ? this.models : { ...this.models, [shot.set.model]: this.set };
    await this.viewer.load(urls);
    if (this.disposed) return this;
    this.crew.show();
    await new Promise((drawn) => {
      this.viewer.drawn = drawn;
      this.viewer.stage.invalidate();
    });
    this.element.removeAttribute("aria-busy");
    return this;
  }

  read(previz) {
    return typeof previz === "string" ? fetchShot(previz, this.stopped.signal) : Promise.resolve(new Shot(previz));
  }

  furnish(shot) {
    this.shot = shot;
    this.parts = furnish(this.element, shot, (action) => this.crew.act(action));
    const announce = (name, detail) => this.announce(name, detail);
    this.viewer = new Viewer(shot, this.parts, { frame: this.asked, announce });
    this.crew = new Crew(this.viewer, this.parts, announce);
    this.sheet = new Sheet(this.parts.strip, shot, (frame) => this.seek(frame));
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(this.parts.view);
    this.fit();
  }

  fit() {
    // Parts of pixels count: a picture that is stretched by half of one frames something else.
    const { width, height } = this.parts.view.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    this.viewer.views.resize(width, height);
    this.viewer.stage.resize(width, height);
    this.count();
  }

  announce(name, detail) {
    if (name === "frame") {
      this.count();
      this.crew.show();
    }
    if (name === "edit") this.count();
    this.element.dispatchEvent(new CustomEvent(`previz:${name}`, { bubbles: true, detail: { shot: this.shot?.shot, ...detail } }));
  }

  count() {
    const { shot, viewer, parts } = this;
    const number = viewer.exposure;
    const { frame, held_frames } = shot.exposures[number];
    const held = held_frames === 1 ? "on one" : `held ${held_frames}, ${frame} to ${frame + held_frames - 1}`;
    const text = `${viewer.frame}   exposure ${number + 1} of ${shot.exposures.length}, ${held}`;
    parts.count.textContent = text;
    parts.strip.setAttribute("aria-valuenow", viewer.frame);
    parts.strip.setAttribute("aria-valuetext", `frame ${text}`);
    const proposed = new Map(shot.puppets.map(({ name }) => [name, viewer.proposals.changes.filter((one) => one.character === name).map((one) => one.key)]));
    this.sheet.draw(viewer.frame, proposed);
  }

  fail(error) {
    if (this.disposed) return undefined;
    this.element.removeAttribute("aria-busy");
    const message = error instanceof Error ? error.message : String(error);
    if (this.crew) this.crew.tell(message, "problem");
    else {
      // Furniture without a viewer in it would be buttons that do nothing.
      this.parts?.root.remove();
      this.waiting.textContent = message;
      this.element.append(this.waiting);
    }
    this.announce("problem", { message });
    throw error;
  }

  /** Go to a frame. Frames outside the shot are its ends. */
  seek(frame) {
    if (this.viewer) this.viewer.seek(frame);
    else this.asked = frame;
  }

  /** Look through the shot's camera, or (false) look around freely. */
  lookThrough(through) {
    this.crew?.act(through ? "view:camera" : "view:free");
  }

  /** Let the keys of the viewer work without a click. */
  focus() {
    this.parts?.root.focus({ preventScroll: true });
  }

  /** Show the shot as it now is, after an edit was accepted: another document of the same shot, set and cast. */
  async update(previz) {
    const shot = await this.read(previz);
    this.viewer.renew(shot);
    this.shot = shot;
    this.sheet.dispose();
    this.sheet = new Sheet(this.parts.strip, shot, (at) => this.seek(at));
    this.crew.show();
    this.count();
  }

  get frame() {
    return this.viewer?.frame;
  }

  dispose() {
    if (this.disposed) return;
    this.disposed = true;
    this.stopped.abort();
    this.watch?.disconnect();
    this.crew?.dispose();
    this.sheet?.dispose();
    this.viewer?.dispose();
    this.waiting.remove();
    this.parts?.root.remove();
    this.element.removeAttribute("aria-busy");
  }
}
