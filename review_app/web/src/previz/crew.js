/** The crew: what a person does to the viewer by button, key and mouse. */

import { Matrix4, Vector3 } from "three";
import { ACTS } from "./actions.js";
import { chosenTold } from "./chosen.js";
import { Hands } from "./hands.js";
import { press, showChosen } from "./panel.js";
import { rowOf } from "./keys.js";
import { floorUnder } from "./room.js";
import { lookAt } from "./lens.js";
import { UP, facingOf, radians } from "./space.js";

const CLICK_PX = 4;
const LENSES_MM = [14, 16, 18, 20, 21, 24, 26, 28, 32, 35, 40, 45, 50, 60, 65, 75, 85, 100, 135, 150, 200];
const TURN_RPS = 0.9;
const STEEPEST = 0.97;
const NEAREST_M = 0.3;

export class Crew {
  constructor(viewer, parts, announce) {
    Object.assign(this, { viewer, parts, announce });
    this.tool = "move";
    this.fromHere = false;
    this.carries = false;
    this.held = new Set();
    this.listeners = new AbortController();
    const { canvas, root } = parts;
    const on = (target, kind, does, options = {}) =>
      target.addEventListener(kind, does, { signal: this.listeners.signal, ...options });
    this.hands = new Hands(viewer.views.camera, canvas, {
      grabbed: () => viewer.views.hold(true),
      dragged: (grip) => this.dragged(grip),
      dropped: (grip) => this.dropped(grip),
      changed: () => viewer.stage.invalidate(),
    });
    viewer.stage.crew.add(this.hands.helper, this.hands.grip);
    on(canvas, "pointerdown", (event) => this.pressed(event), { capture: true });
    on(canvas, "pointermove", (event) => this.operates(event));
    on(canvas, "pointerup", (event) => this.released(event));
    on(canvas, "wheel", (event) => this.wheeled(event), { passive: false });
    on(root, "keydown", (event) => this.keyDown(event));
    on(root, "keyup", (event) => this.held.delete(rowOf(event)?.action));
    on(root, "focusout", () => this.held.clear());
    this.show();
  }

  get canOperate() {
    const { viewer } = this;
    return viewer.views.which === "camera" && viewer.shows.operate && this.refusal("camera") === "";
  }

  refusal(who) {
    const { viewer } = this;
    if (who === "camera") return viewer.proposals.refusalOfCamera(viewer.exposure);
    return viewer.proposals.refusalOfPuppet(who, viewer.shot.frames[viewer.exposure]);
  }

  // Actions, by button and key

  get acts() {
    return ACTS;
  }

  act(action) {
    const [name, value] = action.split(/[:=]/);
    ACTS[name].call(this, value);
    this.show();
  }

  keyDown(event) {
    const row = rowOf(event);
    const typing = event.target.matches("input, textarea, select, [contenteditable]");
    const presses = event.key === " " && event.target.matches("button");
    if (row === undefined || typing || presses) return;
    if (event.key === "Escape" && !this.hasHold()) return;
    event.preventDefault();
    event.stopPropagation();
    if (!row.held) this.act(row.action);
    else if (!event.repeat) this.walk(row.action, event.shiftKey);
  }

  hasHold() {
    return this.viewer.chosen !== null || this.viewer.measured.length > 0 || this.tool === "measure";
  }

  walk(action, fast) {
    this.fast = fast;
    this.held.add(action);
    if (this.walking) return;
    let before = performance.now();
    const step = (now) => {
      const seconds = Math.min((now - before) / 1000, 0.1);
      before = now;
      if (this.held.size === 0 || this.disposed) {
        this.walking = false;
        this.commitOperated();
        return;
      }
      this.stepOn(seconds);
      requestAnimationFrame(step);
    };
    this.walking = true;
    requestAnimationFrame(step);
  }

  stepOn(seconds) {
    const { viewer, held } = this;
    const both = (plus, minus) => (held.has(plus) ? 1 : 0) - (held.has(minus) ? 1 : 0);
    const steps = [both("ahead", "back"), both("right", "left"), both("up", "down")];
    const turn = both("turn-left", "turn-right") * TURN_RPS * seconds;
    if (viewer.views.which === "camera") {
      if (this.canOperate) this.operate({ steps: steps.map((one) => one * seconds * (this.fast ? 2 : 0.7)), pan: turn * 0.4, tilt: 0 });
      else this.tell(viewer.shows.operate ? this.refusal("camera") : "Press O to operate the camera, or F to walk around.");
      return;
    }
    viewer.views.walk(steps, seconds, this.fast);
    if (turn !== 0 && viewer.views.which === "free") viewer.views.turn(turn, 0);
    viewer.moved();
  }

  tell(text, kind = "hint") {
    const { notice } = this.parts;
    notice.textContent = text;
    notice.dataset.kind = kind;
    notice.hidden = text === "";
    clearTimeout(this.silence);
    if (kind === "hint" && text !== "") this.silence = setTimeout(() => (notice.hidden = true), 5000);
  }

  // The mouse in the picture

  pressed(event) {
    this.parts.root.focus({ preventScroll: true });
    this.justDropped = false;
    this.down = { x: event.offsetX, y: event.offsetY, last: event };
    if (this.canOperate && event.button === 0) this.parts.canvas.setPointerCapture(event.pointerId);
  }

  operates(event) {
    if (!this.down || !(event.buttons & 1) || !this.canOperate) return;
    const { width, height } = this.viewer.views.gate(this.viewer.shot.aspect);
    const lens = this.viewer.lens;
    const across = (event.offsetX - this.down.last.offsetX) / width;
    const down = (event.offsetY - this.down.last.offsetY) / height;
    this.down.last = event;
    const far = lens.target.distanceTo(new Vector3().setFromMatrixPosition(lens.matrix));
    if (event.shiftKey) {
      const steps = [0, (-across * lens.aperture_mm[0] * far) / lens.lens_mm, (down * lens.aperture_mm[1] * far) / lens.lens_mm];
      this.operate({ steps, pan: 0, tilt: 0 });
    } else {
      this.operate({ steps: [0, 0, 0], pan: (across * lens.aperture_mm[0]) / lens.lens_mm, tilt: (down * lens.aperture_mm[1]) / lens.lens_mm });
    }
  }

  released(event) {
    const down = this.down;
    this.down = null;
    this.commitOperated();
    if (!down || event.button !== 0 || this.hands.dragging || this.justDropped) return;
    if (Math.hypot(event.offsetX - down.x, event.offsetY - down.y) <= CLICK_PX) this.clicked(event.offsetX, event.offsetY);
  }

  wheeled(event) {
    if (this.viewer.views.which !== "camera") return;
    event.preventDefault();
    if (!this.canOperate) return;
    this.operate({ steps: [-event.deltaY * 0.0012, 0, 0], pan: 0, tilt: 0 });
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.commitOperated(), 350);
  }

  clicked(x, y) {
    const { viewer } = this;
    if (this.tool !== "measure" && this.cameraIsAt(x, y)) {
      this.choose("camera");
      return;
    }
    const found = viewer.pick(x, y);
    if (this.tool === "measure") {
      if (found === null) this.tell("There is nothing there to measure from.");
      else viewer.measured = viewer.measured.length === 1 ? [...viewer.measured, found.place] : [found.place];
      this.announceMeasure();
    } else {
      this.choose(viewer.shot.puppet(found?.who) ? found.who : null);
    }
    this.show();
  }

  announceMeasure() {
    const [from, to] = this.viewer.measured;
    if (to !== undefined) this.announce("measure", { from: from.toArray(), to: to.toArray(), metres: from.distanceTo(to) });
  }

  /** Whether the drawn camera's body or gate is under a point of the picture. */
  cameraIsAt(x, y) {
    const { viewer } = this;
    if (viewer.views.which === "camera") return false;
    const [width, height] = viewer.views.size;
    const lens = viewer.lens.matrix;
    return [0.13, 0, -0.2, -0.45].some((along) => {
      const seen = new Vector3(0, 0, along).applyMatrix4(lens).project(viewer.views.camera);
      const reach = Math.hypot(((seen.x + 1) / 2) * width - x, ((1 - seen.y) / 2) * height - y);
      return seen.z < 1 && reach < 16;
    });
  }

  choose(who) {
    this.viewer.chosen = who;
    this.show();
  }

  // Hands: dragging puppets and the camera

  /** Put the handles where what is selected is, where it may be moved. */
  handle() {
    const { viewer, hands } = this;
    const { chosen } = viewer;
    hands.controls.camera = viewer.views.camera;
    const free = viewer.views.which !== "camera" && this.tool !== "measure" && chosen !== null && this.refusal(chosen) === "";
    hands.helper.visible = free;
    if (!free) return hands.letGo();
    if (chosen === "camera") {
      const { position, target } = viewer.proposals.camera;
      return hands.take(this.tool === "turn" ? target : position, 0, viewer.views.which === "plan" ? "floor" : "space");
    }
    const root = viewer.puppets.find((puppet) => puppet.name === chosen)?.root;
    if (root === undefined) return hands.letGo();
    const ahead = new Vector3(0, -1, 0).transformDirection(root);
    return hands.take(new Vector3().setFromMatrixPosition(root), facingOf(ahead.x, ahead.y), this.tool === "turn" ? "turn" : "floor");
  }

  dragged({ place, facing }) {
    const { viewer } = this;
    if (!this.hands.dragging) return;
    if (viewer.chosen === "camera") {
      viewer.hand = { camera: this.cameraWith(place) };
    } else {
      const on = this.putDown(place);
      const root = new Matrix4().makeRotationZ(radians(facing)).setPosition(on);
      viewer.hand = { puppet: viewer.chosen, root, place: on, facing };
      viewer.expose();
    }
    viewer.moved();
  }

  /** On the floor, and on a mark where one is near. */
  putDown(place) {
    const { viewer } = this;
    const on = place.clone().setZ(floorUnder(viewer.room, place, viewer.stage.raycaster));
    const mark = viewer.proposals.markAt(on);
    return mark === null ? on : new Vector3(...mark.at);
  }

  cameraWith(place) {
    const { position, target } = this.viewer.proposals.camera;
    if (this.tool === "turn") return { position, target: place };
    return { position: place, target: this.carries ? target.clone().add(place).sub(position) : target };
  }

  dropped() {
    const { viewer } = this;
    const hand = viewer.hand;
    viewer.views.hold(false);
    viewer.hand = null;
    this.justDropped = true;
    if (hand === null) return;
    const frame = viewer.shot.frames[viewer.exposure];
    if (hand.camera) this.proposeCamera(hand.camera);
    else if (this.tool === "turn") viewer.proposals.turnPuppet(hand.puppet, frame, hand.facing, this.fromHere);
    else viewer.proposals.movePuppet(hand.puppet, frame, hand.place, this.fromHere);
    this.proposed();
  }

  proposeCamera({ position, target, lens_mm }) {
    const before = this.viewer.proposals.camera;
    const change = {};
    if (lens_mm !== undefined && lens_mm !== before.lens_mm) change.lens_mm = lens_mm;
    if (position && !position.equals(before.position)) change.position = position;
    if (target && !target.equals(before.target)) change.target = target;
    if (Object.keys(change).length > 0) this.viewer.proposals.moveCamera(change);
  }

  /** Work the camera from behind it: steps ahead, right and up in metres; pan and tilt in radians. */
  operate({ steps: [ahead, right, up], pan, tilt }) {
    const { viewer } = this;
    const now = { ...viewer.proposals.camera, ...viewer.hand?.camera };
    const seen = lookAt(now.position, now.target);
    const [across, back] = [0, 2].map((axis) => new Vector3().setFromMatrixColumn(seen, axis));
    const truck = across.clone().multiplyScalar(right).addScaledVector(UP, up);
    const dolly = back.clone().multiplyScalar(-ahead);
    const way = now.target.clone().sub(now.position).applyMatrix4(new Matrix4().makeRotationZ(pan));
    const nodded = way.clone().applyMatrix4(new Matrix4().makeRotationAxis(across, tilt));
    if (Math.abs(nodded.z) < nodded.length() * STEEPEST) way.copy(nodded);
    // A truck carries the target along; a dolly goes towards it, as far as there is room.
    const target = now.position.clone().add(truck).add(way);
    const position = now.position.clone().add(truck);
    if (position.clone().add(dolly).distanceTo(target) > NEAREST_M || ahead < 0) position.add(dolly);
    viewer.hand = { camera: { ...now, position, target } };
    viewer.moved();
  }

  commitOperated() {
    const { viewer } = this;
    const hand = viewer.hand?.camera;
    if (!hand || this.hands.dragging || this.down) return;
    viewer.hand = null;
    this.proposeCamera(hand);
    this.proposed();
  }

  proposed(change = this.viewer.proposals.changes.at(-1)) {
    const { viewer } = this;
    viewer.expose();
    this.show();
    this.announce("edit", { change, changes: viewer.proposals.changes });
  }

  changeLens(by) {
    const { viewer } = this;
    const operated = viewer.views.which === "camera" && viewer.shows.operate;
    if (viewer.chosen !== "camera" && !operated) return this.tell("Select the camera (N) or operate it (O) to change its lens.");
    const refusal = this.refusal("camera");
    if (refusal !== "") return this.tell(refusal);
    const { lens_mm } = viewer.proposals.camera;
    const next = by > 0 ? LENSES_MM.find((one) => one > lens_mm + 0.05) : LENSES_MM.findLast((one) => one < lens_mm - 0.05);
    if (next === undefined) return undefined;
    viewer.proposals.moveCamera({ lens_mm: next });
    return this.proposed();
  }

  // What is shown of it all

  show() {
    const { viewer, parts } = this;
    const on = [`view:${viewer.views.which}`, `surface=${viewer.surface}`, `light=${viewer.light}`, `tool:${this.tool}`];
    for (const [name, shown] of Object.entries(viewer.shows)) if (shown) on.push(`toggle:${name}`);
    press(parts.buttons, new Set(on));
    this.handle();
    showChosen(parts.chosen, chosenTold(this), (action) => this.act(action));
    viewer.stage.invalidate();
  }

  dispose() {
    this.disposed = true;
    this.listeners.abort();
    clearTimeout(this.silence);
    clearTimeout(this.settling);
    cancelAnimationFrame(this.playing);
    this.hands.dispose();
  }
}
