/** The viewer: the shot on its stage, at a frame, seen in one of three ways; everything else is told to it. */

import { Vector3 } from "three";
import { CameraDrawing, LightSigns, Marks, Rod, Way, dispose, tape } from "./drawing.js";
import { angleAcross } from "./lens.js";
import { Inset } from "./inset.js";
import { Lights } from "./lights.js";
import { loadModel } from "./models.js";
import { GateOverlay, Labels } from "./overlay.js";
import { Picker, boxOf } from "./picking.js";
import { Proposals } from "./proposals.js";
import { Puppet } from "./puppet.js";
import { Room } from "./room.js";
import { degrees, fromRows } from "./space.js";
import { PUPPET_LAYER, SET_LAYER, Stage } from "./stage.js";
import { Views } from "./views.js";
import { at } from "./shot.js";

const PANEL_PX = 250;

export class Viewer {
  constructor(shot, parts, { frame, announce }) {
    this.shot = shot;
    this.parts = parts;
    this.announce = announce;
    this.frame = shot.clamped(frame ?? shot.firstFrame);
    this.shows = { guides: true, inset: true, rods: true, lights: false, cutaway: true, shadows: true, operate: false };
    this.surface = "textured";
    this.light = "work";
    this.stops = 1;
    this.chosen = null;
    this.hand = null;
    this.picturesThere = false;
    this.proposals = new Proposals(shot);
    this.stage = new Stage(parts.canvas, (now) => this.draw(now));
    this.views = new Views(parts.canvas, () => this.moved());
    this.inset = new Inset(this.stage);
    this.version = 0;
    this.gate = new GateOverlay(parts.gate);
    this.labels = new Labels(parts.labels);
    this.puppets = [];
    this.aborted = new AbortController();
    this.lensDrawing = new CameraDrawing();
    this.tape = tape();
    this.measured = [];
    this.stage.crew.add(this.lensDrawing.group, this.tape.made);
    this.relight();
    const lens = this.lens;
    this.views.standBehind(lens.matrix, this.subjectPlace());
  }

  /** Lights, marks and the camera's way, as the document has them. */
  relight() {
    const { shot, stage } = this;
    if (this.lights) stage.scene.remove(this.lights.group);
    this.lights?.dispose();
    this.lights = new Lights(shot.lights, shot.set.ambient);
    stage.scene.add(this.lights.group);
    for (const old of [this.signs, this.marks]) {
      if (!old) continue;
      stage.crew.remove(old.group);
      dispose(old.group);
    }
    this.signs = new LightSigns(shot.lights);
    this.marks = new Marks(shot.set.marks);
    stage.crew.add(this.signs.group, this.marks.group);
    this.lensDrawing.travel(shot.camera);
  }

  /** Show another document of the same shot, with the same set and cast. What was proposed is forgotten. */
  renew(shot) {
    const models = (one) => [one.set, ...one.puppets].map(({ model }) => model).join();
    if (models(shot) !== models(this.shot)) throw new Error("The set or the cast is another now: open the shot anew.");
    this.shot = shot;
    this.proposals = new Proposals(shot);
    this.hand = null;
    this.frame = shot.clamped(this.frame);
    this.relight();
    this.room.renew(shot.set);
    this.puppets.forEach((puppet, number) => puppet.renew(shot.puppets[number]));
    if (this.shows.shadows) this.throwShadows(true);
    this.wear();
    this.expose();
  }

  /** Fetch set and puppets. They are there in clay first; their pictures follow. */
  async load(urls) {
    const { largestPicture: largest, software: coarse } = this.stage;
    const signal = this.aborted.signal;
    const { set, puppets } = this.shot;
    const loaded = await Promise.all([set, ...puppets].map(async ({ model, name }) => {
      const url = urls[model] ?? urls[name];
      if (url === undefined) throw new Error(`Nobody said where the model ${model} is.`);
      return loadModel(url, { largest, coarse, signal });
    }));
    if (this.stage.disposed) return;
    this.room = new Room(set, loaded[0].gltf, puppets.length + 1);
    this.puppets = puppets.map((puppet, number) => new Puppet(puppet, loaded[number + 1].gltf, number + 1));
    this.ways = this.puppets.map(() => new Way());
    this.rods = this.puppets.map((puppet) => new Rod(puppet));
    for (const [group, layer] of [[this.room.group, SET_LAYER], ...this.puppets.map((one) => [one.group, PUPPET_LAYER])]) {
      group.traverse((node) => node.layers.set(layer));
      this.stage.scene.add(group);
    }
    this.stage.crew.add(...this.ways.map((way) => way.group), ...this.rods.map((rod) => rod.group));
    this.throwShadows(this.shows.shadows);
    this.picker = new Picker(this.stage.renderer, this.stage.scene, [...this.puppets, this.room]);
    this.wear();
    this.expose();
    this.pictures = Promise.all(loaded.map((one) => one.pictures)).then(() => this.hang());
    // Whoever waits for the pictures is told; whoever does not is not left with an unheard rejection.
    this.pictures.catch(() => {});
  }

  /** Bring pictures to the GPU a few at a time, then take off the clay. */
  async hang() {
    let began = performance.now();
    const pictures = this.actors.flatMap((actor) => actor.surfaces.map((surface) => surface.picture));
    for (const picture of new Set(pictures.filter(Boolean))) {
      if (this.stage.disposed) return;
      picture.needsUpdate = true;
      this.stage.renderer.initTexture(picture);
      if (performance.now() - began < 12) continue;
      await new Promise((done) => setTimeout(done));
      began = performance.now();
    }
    this.picturesThere = true;
    this.wear();
    this.stage.invalidate();
  }

  get actors() {
    return this.room ? [...this.puppets, this.room] : [];
  }

  get exposure() {
    return this.shot.exposureAt(this.frame);
  }

  /** The shot's camera now, as proposed and as it is being dragged. */
  get lens() {
    return this.proposals.lensAt(this.exposure, this.hand?.camera);
  }

  wear() {
    this.lights.group.visible = this.light === "shot";
    this.stage.drawFor(this.light);
    for (const actor of this.actors) {
      for (const surface of actor.surfaces) surface.wear(this.surface, this.light, this.picturesThere, this.stage.clay);
    }
    this.stage.invalidate();
  }

  /** Everything as at the frame's exposure. */
  expose() {
    const { exposure, shot, frame } = this;
    for (const puppet of this.puppets) {
      const held = this.hand?.puppet === puppet.name ? this.hand.root : null;
      puppet.pose(exposure, held ?? this.proposals.rootOf(puppet.name, shot.frames[exposure]));
    }
    this.lights.expose(exposure);
    this.signs.expose(exposure);
    for (const actor of this.actors) {
      for (const surface of actor.surfaces) {
        const glow = shot.glow[surface.name];
        if (glow !== undefined) surface.glow(at(glow, exposure));
      }
    }
    this.frame = frame;
    this.version += 1;
    this.stage.renderer.shadowMap.needsUpdate = true;
    this.stage.invalidate();
  }

  seek(frame) {
    const now = this.shot.clamped(frame);
    if (now === this.frame) return;
    const before = this.exposure;
    this.frame = now;
    if (this.exposure !== before) {
      this.expose();
      this.moved();
    }
    this.stage.invalidate();
    this.announce("frame", { frame: now, exposed: this.shot.frames[this.exposure] });
  }

  look(which) {
    if (which === "plan" && this.views.which !== "plan") this.layPlan();
    this.views.use(which);
    this.stage.invalidate();
  }

  layPlan() {
    const roots = this.shot.puppets.flatMap((puppet) => puppet.poses.map(({ translations }) => new Vector3().fromArray(translations)));
    const cameras = this.shot.camera.matrices.map((rows) => new Vector3().setFromMatrixPosition(fromRows(rows)));
    const marks = this.shot.set.marks.map((mark) => new Vector3(...mark.at));
    const pieces = this.shot.set.pieces.filter((piece) => piece.shown).map((piece) => new Vector3(...piece.at));
    const floors = roots.length > 0 ? roots.map((root) => root.z) : [0];
    this.views.layPlan([...roots, ...cameras, ...marks, ...pieces], Math.min(...floors), Math.max(...floors));
  }

  /** What the picture is about: the middle of the first subject, else what the camera looks at. */
  subjectPlace() {
    const subject = this.puppets.find((puppet) => this.shot.subjects.includes(puppet.name)) ?? this.puppets[0];
    if (subject === undefined) return this.proposals.camera.target;
    return subject.standsAt.add(new Vector3(0, 0, subject.told.height_m * 0.55));
  }

  /** Look at what is selected, or at the subject, from near by. */
  goClose() {
    if (this.views.which === "plan") return this.layPlan();
    const puppet = this.puppets.find((one) => one.name === this.chosen);
    const lens = this.lens;
    if (this.chosen === "camera") this.views.lookAt(new Vector3().setFromMatrixPosition(lens.matrix), 1.6);
    else if (puppet) this.views.lookAt(puppet.standsAt.add(new Vector3(0, 0, puppet.told.height_m / 2)), puppet.told.height_m * 1.9);
    else this.views.lookAt(this.subjectPlace(), 3);
    return this.moved();
  }

  throwShadows(on) {
    this.lights.shadows(on);
    for (const { surfaces } of this.actors) {
      for (const { mesh } of surfaces) Object.assign(mesh, { castShadow: on, receiveShadow: on });
    }
    this.stage.renderer.shadowMap.needsUpdate = true;
    this.stage.invalidate();
  }

  moved() {
    this.movedAt = performance.now();
    this.stage.invalidate();
  }

  draw(now) {
    const { stage, views, shows, parts } = this;
    const lens = this.lens;
    if (this.movedAt && this.drawnAt && now - this.drawnAt < 1000) stage.pace(now - this.drawnAt);
    this.drawnAt = this.movedAt ? now : 0;
    this.movedAt = 0;
    // While the camera is operated the picture does not jump aside when the panel appears.
    views.reserved = parts.chosen.hidden && !shows.operate ? 0 : PANEL_PX;
    if (views.which === "camera") views.lookThrough(lens);
    this.dress(lens);
    stage.toneMap(this.light === "shot", this.stops);
    stage.clear();
    stage.deepen(views.which === "plan" ? views : null);
    if (views.which === "plan") stage.renderPlan(views);
    else stage.render(views.camera);
    const inset = shows.inset && views.which !== "camera" ? this.insetBox() : null;
    stage.deepen(null);
    if (inset) this.drawInset(lens, inset);
    this.overlay(lens, inset);
    this.drawn?.();
  }

  drawInset(lens, box) {
    // Walls that are cut away for this view stand in the camera's.
    this.room?.cutAway(null);
    this.inset.encoded = this.light !== "shot" || this.surface === "wire";
    const state = [this.exposure, this.surface, this.light, this.stops, this.picturesThere, this.shows.shadows, this.version];
    this.inset.draw(lens, box, state.join());
  }

  /** What of the crew's drawings is seen in this view, and where. */
  dress(lens) {
    const { views, shows } = this;
    const through = views.which === "camera";
    const plan = views.which === "plan";
    this.lensDrawing.group.visible = !through;
    this.lensDrawing.place({ ...lens, chosen: this.chosen === "camera" });
    this.marks.group.visible = plan || (!through && this.chosen !== null && this.chosen !== "camera");
    this.signs.group.visible = shows.lights && !through;
    this.tape.draw(...[...this.measured, null, null].slice(0, 2));
    this.stage.crew.visible = true;
    const eye = views.camera.position;
    this.puppets.forEach((puppet, number) => {
      const chosen = this.chosen === puppet.name;
      const spots = this.proposals.spots.get(puppet.name);
      const roots = this.shot.frames.map((frame, exposure) => this.rootAt(puppet, frame, exposure));
      this.ways[number].group.visible = plan || (chosen && !through);
      this.ways[number].draw(roots, spots, puppet.root, puppet.told.height_m, chosen);
      this.rods[number].group.visible = shows.rods && !plan && !through;
      this.rods[number].stand(eye);
    });
    const heads = Math.max(0, ...this.puppets.map((puppet) => puppet.standsAt.z)) + 0.5;
    this.room?.cutAway(shows.cutaway && views.which === "free" ? eye : null, heads);
  }

  rootAt(puppet, frame, exposure) {
    const proposed = this.proposals.rootOf(puppet.name, frame);
    if (proposed !== null) return proposed;
    const { translations } = puppet.told.poses[exposure];
    return fromRows([1, 0, 0, translations[0], 0, 1, 0, translations[1], 0, 0, 1, translations[2], 0, 0, 0, 1]);
  }

  insetBox() {
    const [width, height] = this.views.size;
    const wide = Math.round(Math.min(Math.max(width * 0.26, 150), 340));
    const tall = Math.round(wide / this.shot.aspect);
    return { left: width - wide - 10, top: height - tall - 10, width: wide, height: tall };
  }

  overlay(lens, inset) {
    const { views, parts, shows } = this;
    const through = views.which === "camera";
    this.gate.draw(through ? views.gate(this.shot.aspect) : null, views.size, shows.guides);
    this.labels.draw(this.labelsNow(), views.camera, views.size);
    parts.lens.textContent = lensTold(lens, this.lensExtras(lens));
    parts.inset.hidden = inset === null;
    if (inset) {
      for (const side of ["left", "top", "width", "height"]) parts.inset.style[side] = `${inset[side]}px`;
    }
  }

  labelsNow() {
    const told = [];
    const plan = this.views.which === "plan";
    if (this.shows.rods && this.views.which === "free") told.push(...this.rods?.flatMap((rod) => rod.labels()) ?? []);
    if (this.marks.group.visible) told.push(...this.marks.labels());
    if (this.signs.group.visible) told.push(...this.signs.labels(this.exposure));
    if (plan) {
      told.push(...this.puppets.map((puppet) => ({ place: puppet.standsAt, text: puppet.told.title, kind: "above" })));
      told.push({ place: new Vector3().setFromMatrixPosition(this.lens.matrix), text: "Camera", kind: "name" });
    }
    if (this.measured.length === 2) told.push(tapeTold(...this.measured));
    return told;
  }

  /** What else of the camera is worth a line: its height over the floor, its tilt, how far off everybody is. */
  lensExtras({ matrix }) {
    const eye = new Vector3().setFromMatrixPosition(matrix);
    const ahead = new Vector3().setFromMatrixColumn(matrix, 2).negate();
    const tilt = degrees(Math.asin(ahead.z));
    const off = this.puppets.map((puppet) => {
      const face = puppet.jointAt("head") ?? puppet.standsAt;
      return `${puppet.told.title} ${eye.distanceTo(face).toFixed(2)} m`;
    });
    const stops = this.light === "shot" ? [`${signed(this.stops)} stops`] : [];
    return [`${eye.z.toFixed(2)} m up`, `tilt ${signed(tilt)}°`, ...off, ...stops];
  }

  pick(x, y) {
    if (!this.picker) return null;
    const [width, height] = this.views.size;
    const { camera } = this.views;
    if (this.views.which === "plan") this.views.planFrom(this.views.cut + 0.6);
    return this.picker.pick(camera, x, y, width, height);
  }

  /** The box of a puppet (or of the set, by its name) in the shot's own picture of that size; null where unseen. */
  matteBox(name, width, height) {
    const lens = this.lens;
    const mattes = this.picker.mattes(lens.matrix, lens.lens_mm, lens.aperture_mm, width, height);
    return boxOf(mattes, width, height, this.actors.findIndex((actor) => actor.name === name) + 1);
  }

  dispose() {
    this.aborted.abort();
    for (const actor of this.actors) actor.dispose();
    dispose(this.stage.crew);
    this.views.dispose();
    this.inset.dispose();
    this.lights.dispose();
    this.stage.dispose();
  }
}

function lensTold({ lens_mm, aperture_mm, focus_m, f_stop }, extras) {
  const across = degrees(angleAcross(lens_mm, aperture_mm[0])).toFixed(0);
  const sharp = `focus ${focus_m.toFixed(2)} m`;
  const first = [`${Number(lens_mm.toFixed(1))} mm`, `${across}° across`, f_stop > 0 ? `f/${f_stop} ${sharp}` : `${sharp}, all sharp`];
  return `${first.join("  ·  ")}\n${extras.join("  ·  ")}`;
}

function tapeTold(from, to) {
  const way = new Vector3().subVectors(to, from);
  const level = Math.hypot(way.x, way.y);
  const text = `${way.length().toFixed(2)} m  (${level.toFixed(2)} across, ${signed(way.z, 2)} up)`;
  return { place: from.clone().lerp(to, 0.5), text, kind: "tape" };
}

function signed(value, digits = 1) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
