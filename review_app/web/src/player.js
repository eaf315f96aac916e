// The player: a shot by its exposure sheet, or the cut around it; two pictures to wipe and blink; pose and onion skin.

import { handle } from "./keys.js";
import { Pictures, Rate, VideoDeck } from "./decks.js";
import { Reel, shownAt } from "./reel.js";
import { drawOnion, drawPose } from "./overlays.js";
import { Timeline } from "./timeline.js";

const BEHIND = 8;
const AHEAD = 40;
const BLINK_MS = 500;
const SHARPEN_AFTER_MS = 140;

export class Player {
  constructor(element, told) {
    this.element = element;
    this.told = told;
    this.rate = new Rate(...told.rate);
    this.canvas = element.querySelector("[data-screen]");
    this.context = this.canvas.getContext("2d", { alpha: false });
    [this.canvas.width, this.canvas.height] = told.size;
    this.pictures = new Pictures();
    this.pictures.came = (address) => this.stopped && this.onScreen().includes(address) && this.draw();
    this.strips = new Map(told.strips.map((strip) => [strip.key, strip]));
    this.asked = new URLSearchParams(location.search);
    this.wanted = "";
    this.a = told.strips.find((strip) => !strip.coming)?.key ?? told.strips[0]?.key ?? "";
    this.want(this.asked.get("a") ?? "");
    this.b = this.strips.has(this.asked.get("b")) ? this.asked.get("b") : this.other();
    this.alone = new Reel([this.clip(told.shot)]);
    this.reel = this.alone;
    this.place = 0;
    this.range = [0, this.reel.length - 1];
    this.speed = 0;
    this.wipe = null;
    this.blink = 0;
    this.swapped = false;
    this.pose = null;
    this.onion = false;
    this.late = 0;
    this.pose = null;
    this.posed = false;
    this.notes = [];
    const video = element.querySelector("video");
    this.deck = video ? new VideoDeck(video, this.rate) : null;
    this.timeline = new Timeline(element.querySelector("[data-timeline]"), this);
    this.choices();
    this.hands();
    this.screen();
    const wanted = Number(this.asked.get("frame"));
    if (told.reel) this.around(told.reel);
    this.fill(this.a);
    this.show(this.reel.nearest(told.shot.name, wanted || told.shot.first));
    if (this.asked.get("wipe")) this.toggleWipe();
  }

  get stopped() {
    return this.speed === 0;
  }
  get now() {
    return this.reel.at(this.place);
  }
  clip(shot) {
    return { shot: shot.name, first: shot.first, last: shot.last, exposures: shot.exposures, lines: shot.lines };
  }
  /** Marks of the timeline: dialogue, and the notes that are put into `notes` as {shot, frame}. */
  marks = () => [
    ...this.reel.clips.flatMap((clip) => (clip.lines ?? []).map((frame) => ({ kind: "line", place: this.reel.placeOf(clip.shot, frame) }))),
    ...this.notes.map((note) => ({ kind: "note", place: this.reel.placeOf(note.shot, note.frame) })),
  ].filter((mark) => mark.place >= 0);

  // Which pictures

  other() {
    const keys = [...this.strips.keys()];
    const stage = (key) => key.split(".")[0];
    return keys.find((key) => key !== this.a && stage(key) === "render") ?? keys.find((key) => key !== this.a) ?? "";
  }
  /** The strip that a side shows in a clip: the chosen version in this shot, what stands in the cut in the others. */
  stripOf(key, clip) {
    if (clip.shot === this.told.shot.name) return this.strips.get(key);
    return clip.strip;
  }
  /** Show a version, now or as soon as there is one of that name. */
  want(key) {
    this.wanted = key && !this.strips.has(key) ? key : "";
    if (this.strips.has(key)) this.a = key;
  }
  /** What can be played now: newer than what was known, which stays where it is whole. */
  heard(strips) {
    const known = this.strips;
    this.strips = new Map(strips.map((strip) => {
      const old = known.get(strip.key);
      return [strip.key, old && old.coming === strip.coming && !strip.frames.length ? { ...old, label: strip.label, current: strip.current } : strip];
    }));
    if (!this.strips.has(this.a)) this.a = strips[0]?.key ?? "";
    if (!this.strips.has(this.b)) this.b = this.other();
    if (this.wanted) this.want(this.wanted);
    this.choices();
    this.fill(this.a);
    if (this.stopped) this.show(this.place);
  }
  async fill(key) {
    const strip = this.strips.get(key);
    if (!strip || strip.frames.length || strip.coming) return;
    const answer = await fetch(`/shots/${encodeURIComponent(this.told.shot.name)}/strips/${strip.stage}/${strip.version}`);
    if (answer.ok) Object.assign(strip, await answer.json());
    this.show(this.place);
  }
  choose(side, key) {
    if (!this.strips.has(key)) return;
    if (side === "a") this.wanted = "";
    this.halt();
    this[side] = key;
    this.choices();
    this.fill(key);
    this.show(this.place);
  }
  choices() {
    for (const field of this.element.ownerDocument.querySelectorAll("[data-side]")) field.checked = this[field.dataset.side] === field.value;
    this.fill(this.b);
  }
  address(key, place, width = this.width()) {
    if (place < 0 || place >= this.reel.length) return "";
    const { clip, frame } = this.reel.at(place);
    const strip = this.stripOf(key, clip);
    const sha256 = strip ? shownAt(strip, frame) : "";
    return sha256 ? `${this.told.pictures ?? "/pictures"}/${sha256}.${width}.jpg` : "";
  }
  width = () => 960;

  // Where it is

  show(place) {
    this.place = Math.max(0, Math.min(this.reel.length - 1, place));
    this.gather();
    this.draw();
    this.sharpen();
  }
  seek(place) {
    this.halt();
    this.show(place);
  }
  step(by) {
    this.seek(this.place + by);
  }
  exposure(by) {
    const begin = this.reel.exposures();
    const at = begin.findLastIndex((place) => place <= this.place);
    const next = by < 0 && begin[at] < this.place ? at : at + by;
    this.seek(begin[Math.max(0, Math.min(begin.length - 1, next))]);
  }
  /** Have the pictures around the playhead ready, the nearest first. */
  gather() {
    const sides = this.wipe !== null || this.blink ? [this.a, this.b] : [this.a];
    const way = this.speed < 0 ? -1 : 1;
    const wanted = [];
    for (let far = 0; far <= AHEAD; far += 1) {
      for (const side of sides) {
        wanted.push(this.address(side, this.place + far * way));
        if (far && far <= BEHIND) wanted.push(this.address(side, this.place - far * way));
      }
    }
    if (this.onion) for (const place of this.neighbours()) wanted.unshift(this.address(this.a, place));
    this.pictures.want(wanted.filter(Boolean));
  }
  neighbours() {
    const begin = this.reel.exposures();
    const at = begin.findLastIndex((place) => place <= this.place);
    return [begin[at - 1], begin[at + 1]].filter((place) => place !== undefined);
  }
  /** A stopped picture on a large screen is shown as sharp as it is. */
  sharpen() {
    clearTimeout(this.sharpening);
    const large = this.canvas.clientWidth * (devicePixelRatio || 1) > 1100 && this.told.size[0] > 960;
    if (!large || !this.stopped) return;
    this.sharpening = setTimeout(async () => {
      const address = this.address(this.a, this.place, 1920);
      if (!address || !this.stopped) return;
      await this.pictures.load(address).catch(() => null);
      if (this.stopped && address === this.address(this.a, this.place, 1920)) this.draw();
    }, SHARPEN_AFTER_MS);
  }

  // Playing

  movie() {
    if (!this.deck || this.reel !== this.alone || this.wipe !== null || this.blink) return "";
    return this.strips.get(this.a)?.movie ?? "";
  }
  play(speed) {
    this.halt(false);
    const [first, last] = this.range;
    if (speed > 0 && this.place >= last) this.place = first;
    if (speed < 0 && this.place <= first) this.place = last;
    this.speed = speed;
    this.late = 0;
    this.element.dataset.playing = "yes";
    const movie = speed > 0 ? this.movie() : "";
    if (movie) this.playMovie(movie);
    else this.playPictures();
    this.screen();
  }
  async playMovie(movie) {
    const address = `/media/${movie}.mp4`;
    if (this.deck.video.getAttribute("src") !== address) {
      this.deck.video.src = address;
      this.deck.shown = -1;
    }
    const run = (this.run = {});
    let turning = false;
    const show = (frame) => {
      this.place = frame;
      this.drawPicture(this.deck.video);
    };
    const turn = async () => {
      if (this.run !== run) return;
      this.deck.pause();
      await this.deck.seek(this.range[0]);
      if (this.run !== run) return;
      turning = false;
      show(this.range[0]);
      await this.deck.play(this.speed);
    };
    this.deck.onframe = (frame) => {
      if (this.run !== run || turning) return;
      if (frame <= this.range[1]) show(frame);
      if (frame < this.range[1]) return;
      // The last frame stays for as long as any other; behind the end of the film no further one would be told.
      turning = true;
      setTimeout(() => turn().catch(() => this.run === run && this.playPictures()), 1000 / (this.rate.fps * this.speed));
    };
    try {
      await this.deck.seek(this.place);
      if (this.run !== run) return;
      show(this.place);
      await this.deck.play(this.speed);
    } catch {
      if (this.run !== run) return;
      this.say("the film can't be played: these are its pictures");
      this.playPictures();
    }
  }
  playPictures() {
    const run = (this.run = {});
    let began = performance.now();
    let from = this.place;
    const tick = (now) => {
      if (this.run !== run) return;
      const [first, last] = this.range;
      let place = from + Math.trunc(((now - began) / 1000) * this.rate.fps * this.speed);
      if (place > last || place < first) {
        began = now;
        from = place = this.speed > 0 ? first : last;
      }
      if (place !== this.place) {
        this.place = place;
        this.gather();
        if (!this.draw()) this.late += 1;
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  halt(draw = true) {
    const was = this.speed;
    this.run = null;
    this.speed = 0;
    delete this.element.dataset.playing;
    if (was && this.deck?.playing) this.deck.pause();
    if (was && draw) this.show(this.place);
  }
  faster(way) {
    const speed = Math.sign(this.speed) === way ? Math.min(8, Math.abs(this.speed) * 2) : 1;
    this.play(way * speed);
  }

  // The cut around the shot

  async toggleAround() {
    this.halt();
    const { clip, frame } = this.now;
    if (this.reel !== this.alone) {
      this.reel = this.alone;
      this.range = [0, this.reel.length - 1];
      this.show(clip.shot === this.told.shot.name ? this.reel.nearest(clip.shot, frame) : 0);
      return;
    }
    const answer = await fetch(`/shots/${encodeURIComponent(this.told.shot.name)}/around`);
    if (!answer.ok) return this.say("there is no cut around this shot");
    this.around((await answer.json()).clips);
    this.show(this.reel.nearest(this.told.shot.name, frame));
  }
  around(clips) {
    if (!clips.length) return;
    this.reel = new Reel(clips);
    this.range = [0, this.reel.length - 1];
  }

  // Drawing

  /** Draw what is on screen now. Returns whether its picture was there; if not, the last one stays. */
  draw() {
    const key = this.swapped || this.blink === 2 ? this.b : this.a;
    const picture = this.best(key);
    if (picture) this.drawPicture(picture);
    else if (!this.address(key, this.place)) this.drawNothing();
    this.screen();
    return Boolean(picture);
  }
  /** The addresses of all that belongs on the screen of a stopped player. */
  onScreen() {
    const shown = [this.a, this.b].flatMap((key) => [this.address(key, this.place), this.address(key, this.place, 1920)]);
    return this.onion ? [...shown, ...this.neighbours().map((place) => this.address(this.a, place))] : shown;
  }
  best(key) {
    const sharp = this.stopped && this.pictures.get(this.address(key, this.place, 1920));
    return sharp || this.pictures.get(this.address(key, this.place));
  }
  drawNothing() {
    this.context.fillStyle = "#2b2b2b";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawn = "";
  }
  drawPicture(picture) {
    const { width, height } = this.canvas;
    this.context.drawImage(picture, 0, 0, width, height);
    if (this.onion && this.stopped) {
      const ghosts = this.neighbours().map((place) => this.pictures.get(this.address(this.a, place))).filter(Boolean);
      drawOnion(this.context, ghosts, width, height);
    }
    if (this.wipe !== null) this.drawWipe(width, height);
    if (this.posed && this.pose && this.now.clip.shot === this.told.shot.name) drawPose(this.context, this.pose, this.now.frame, width);
    this.drawn = this.address(this.a, this.place);
    this.screen();
  }
  drawWipe(width, height) {
    const under = this.best(this.swapped ? this.a : this.b);
    const x = Math.round(this.wipe * width);
    if (under && x < width) {
      const { width: w, height: h } = under;
      this.context.drawImage(under, this.wipe * w, 0, (1 - this.wipe) * w, h, x, 0, width - x, height);
    }
    this.context.fillStyle = "#fff";
    this.context.fillRect(x - 1, 0, 2, height);
  }
  /** What is written around the picture. */
  screen() {
    const { clip, frame } = this.now;
    const put = (name, text) => {
      const field = this.element.querySelector(`[data-say=${name}]`);
      if (field && field.textContent !== text) field.textContent = text;
    };
    const label = (key) => this.stripOf(key, clip)?.label ?? "nothing to show";
    put("frame", `${frame}`);
    put("shot", clip.shot);
    put("time", timecode(this.place, this.rate));
    put("a", label(this.swapped || this.blink === 2 ? this.b : this.a));
    put("b", this.wipe !== null ? label(this.swapped ? this.a : this.b) : "");
    put("range", this.reel === this.alone ? `${clip.first}–${clip.last}` : this.told.shot.name && `the cut around ${this.told.shot.name}`);
    put("late", this.late ? `${this.late} late` : "");
    this.canvas.setAttribute("aria-label", `${clip.shot}, frame ${frame}, ${label(this.a)}`);
    for (const [name, on] of [["wipe", this.wipe !== null], ["blink", this.blink > 0], ["pose", this.posed], ["onion", this.onion], ["around", this.reel !== this.alone], ["play", !this.stopped]]) {
      this.element.querySelector(`[data-act=${name}]`)?.setAttribute("aria-pressed", on);
    }
    this.timeline?.draw();
    this.looked?.();
  }
  say(text) {
    const field = this.element.querySelector("[data-say=told]");
    if (field) field.textContent = text;
  }

  // What keys and buttons do

  toggleBlink() {
    clearInterval(this.blinking);
    this.blink = this.blink ? 0 : 1;
    if (this.blink) {
      this.wipe = null;
      this.blinking = setInterval(() => {
        this.blink = this.blink === 1 ? 2 : 1;
        this.draw();
      }, BLINK_MS);
    }
    this.show(this.place);
  }
  toggleWipe() {
    if (this.blink) this.toggleBlink();
    this.wipe = this.wipe === null ? 0.5 : null;
    this.halt();
    this.show(this.place);
  }
  moveWipe(by) {
    this.wipe = Math.max(0, Math.min(1, (this.wipe ?? 0.5) + by));
    this.show(this.place);
  }
  async togglePose() {
    this.posed = !this.posed;
    if (this.posed && !this.pose) {
      if (!this.told.keypoints) {
        this.posed = false;
        return this.say("the shot was not composed yet: it has no pose");
      }
      const answer = await fetch(`/media/${this.told.keypoints}.json`);
      if (answer.ok) this.pose = await answer.json();
    }
    this.draw();
  }
  nextStrip(same) {
    const keys = [...this.strips.values()];
    const at = keys.findIndex((strip) => strip.key === this.a);
    const stage = keys[at]?.stage;
    const turned = [...keys.slice(at + 1), ...keys.slice(0, at)];
    const next = turned.find((strip) => (same ? strip.stage === stage : strip.stage !== stage && strip.current));
    if (next) this.choose("a", next.key);
    else this.say(same ? "there is no other version of this stage" : "no other stage has pictures");
  }
  hands() {
    const open = (place) => place && location.assign(place);
    handle({
      play: () => (this.stopped ? this.play(1) : this.halt()),
      stop: () => this.halt(),
      forward: () => this.faster(1),
      backward: () => this.faster(-1),
      "step-next": () => this.step(1),
      "step-previous": () => this.step(-1),
      "exposure-next": () => this.exposure(1),
      "exposure-previous": () => this.exposure(-1),
      "go-first": () => this.seek(this.range[0]),
      "go-last": () => this.seek(this.range[1]),
      "mark-in": () => this.mark(0),
      "mark-out": () => this.mark(1),
      "clear-marks": () => this.mark(2),
      around: () => this.toggleAround(),
      "next-version": () => this.nextStrip(true),
      "next-stage": () => this.nextStrip(false),
      wipe: () => this.toggleWipe(),
      blink: () => this.toggleBlink(),
      swap: () => this.swap(),
      "wipe-left": () => this.moveWipe(-0.05),
      "wipe-right": () => this.moveWipe(0.05),
      pose: () => this.togglePose(),
      onion: () => {
        this.onion = !this.onion;
        this.show(this.place);
      },
      full: () => (document.fullscreenElement ? document.exitFullscreen() : this.element.requestFullscreen()),
      recipe: () => open(this.recipe()),
      "next-shot": () => open(this.told.after),
      "previous-shot": () => open(this.told.before),
      previz: () => open(this.told.previz),
    });
    this.element.ownerDocument.addEventListener("change", ({ target }) => {
      if (target.dataset?.side) this.choose(target.dataset.side, target.value);
    });
    this.canvas.addEventListener("pointerdown", (event) => this.dragWipe(event));
    document.body.addEventListener("theme", () => this.screen());
  }
  swap() {
    this.swapped = !this.swapped;
    this.draw();
  }
  mark(side) {
    if (side === 2) this.range = [0, this.reel.length - 1];
    else this.range[side] = this.place;
    if (this.range[0] > this.range[1]) this.range[1 - side] = this.place;
    this.screen();
  }
  recipe() {
    const { clip, frame } = this.now;
    const strip = this.stripOf(this.a, clip);
    const sha256 = strip ? shownAt(strip, frame) : "";
    return sha256 && !this.told.pictures ? `/recipes/${sha256}` : "";
  }
  dragWipe(event) {
    if (this.wipe === null) return;
    const move = (e) => {
      const box = this.canvas.getBoundingClientRect();
      this.wipe = Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
      this.draw();
    };
    move(event);
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", () => this.canvas.removeEventListener("pointermove", move), { once: true });
  }
}

function timecode(frames, rate) {
  const base = Math.ceil(rate.fps);
  const two = (number) => String(number).padStart(2, "0");
  const seconds = Math.floor(frames / base);
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60, frames % base].map(two).join(":");
}

for (const element of document.querySelectorAll("[data-player]")) {
  const told = document.getElementById(element.dataset.player);
  element.player = new Player(element, JSON.parse(told.textContent));
}
