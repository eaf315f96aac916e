/** Every action that a key or a button can ask for. */

import { SURFACES } from "./surfaces.js";

/** By the first word of the action, told what follows it. `this` is the crew. */
export const ACTS = {
  view(which) {
    this.viewer.look(which);
  },
  surface(which) {
    this.viewer.surface = which ?? after(SURFACES, this.viewer.surface);
    this.viewer.wear();
  },
  light(which) {
    const { viewer } = this;
    viewer.light = which ?? (viewer.light === "work" ? "shot" : "work");
    viewer.wear();
  },
  toggle(what) {
    const { viewer } = this;
    viewer.shows[what] = !viewer.shows[what];
    if (what === "shadows") {
      viewer.throwShadows(viewer.shows.shadows);
      if (viewer.light === "work") this.tell("Work light throws no shadows; the shot's light (L) does.");
    }
    if (what === "operate" && viewer.shows.operate) {
      viewer.look("camera");
      this.tell("Drag to pan and tilt, with Shift to truck; roll the wheel to dolly; - and = change the lens.");
    }
  },
  tool(which) {
    this.tool = this.tool === which && which === "measure" ? "move" : which;
    if (this.tool === "measure") this.tell("Click two places.");
  },
  select() {
    const { shot } = this.viewer;
    const everybody = ["camera", ...shot.puppets.map((puppet) => puppet.name)];
    this.viewer.chosen = after(everybody, this.viewer.chosen);
  },
  frame(by) {
    if (by !== undefined) this.viewer.seek(this.viewer.frame + Number(by));
    else this.viewer.goClose();
  },
  exposure(by) {
    const { viewer } = this;
    const { frames } = viewer.shot;
    const next = viewer.exposure + Number(by);
    if (frames[next] !== undefined) viewer.seek(frames[next]);
    else if (Number(by) < 0) viewer.seek(frames[0]);
  },
  key(by) {
    const { viewer } = this;
    const told = viewer.shot.puppet(viewer.chosen);
    const of = told ? [told] : viewer.shot.puppets;
    const frames = of.flatMap((puppet) => puppet.spots.slice(1).map((spot) => spot.frame)).sort((one, other) => one - other);
    const next = Number(by) > 0 ? frames.find((one) => one > viewer.frame) : frames.findLast((one) => one < viewer.frame);
    if (next !== undefined) viewer.seek(next);
  },
  first() {
    this.viewer.seek(this.viewer.shot.firstFrame);
  },
  last() {
    this.viewer.seek(this.viewer.shot.lastFrame);
  },
  play() {
    const { viewer } = this;
    if (this.playing) {
      cancelAnimationFrame(this.playing);
      this.playing = 0;
      return;
    }
    const { firstFrame, lastFrame, framesPerSecond } = viewer.shot;
    const from = viewer.frame >= lastFrame ? firstFrame : viewer.frame;
    let began;
    const step = (now) => {
      began ??= now;
      const length = lastFrame - firstFrame + 1;
      const played = Math.floor(((now - began) / 1000) * framesPerSecond);
      viewer.seek(firstFrame + ((from - firstFrame + played) % length));
      this.playing = requestAnimationFrame(step);
    };
    this.playing = requestAnimationFrame(step);
  },
  stops(by) {
    this.viewer.stops = Math.min(Math.max(this.viewer.stops + Number(by), -6), 8);
  },
  lens(by) {
    this.changeLens(Number(by));
  },
  carry() {
    this.carries = !this.carries;
  },
  "from-here"() {
    this.fromHere = !this.fromHere;
  },
  "take-back"() {
    if (this.viewer.proposals.takeBack()) this.proposed(null);
  },
  escape() {
    const { viewer } = this;
    if (viewer.measured.length > 0) viewer.measured = [];
    else if (this.tool === "measure") this.tool = "move";
    else viewer.chosen = null;
    this.tell("");
  },
};


function after(list, one) {
  return list[(list.indexOf(one) + 1) % list.length];
}
