/** Changes of the shot that the author has not accepted: what was dragged, as edits of the shot file. */

import { Matrix4, Vector3 } from "three";
import { placedByHand } from "./lens.js";
import { at } from "./shot.js";
import { fromRows, nearTurn, rounded, roundedPlace } from "./space.js";
import { changedSpots, keyAt, onItsWay, rootAt, spotOfFacing, spotOfPlace } from "./spots.js";

export const MARK_REACH_M = 0.12;

export class Proposals {
  constructor(shot) {
    this.shot = shot;
    this.changes = [];
    this.before = [];
    this.spots = new Map(shot.puppets.map((puppet) => [puppet.name, puppet.spots]));
    this.first = { matrix: fromRows(shot.camera.matrices[0]), lens_mm: shot.camera.lenses_mm[0] };
  }

  /** Why a puppet can't be moved at a frame, or "". */
  refusalOfPuppet(name, frame) {
    const way = onItsWay(this.spots.get(name), frame);
    if (way === null) return "";
    const { title } = this.shot.puppet(name);
    return `${title} is on the way from the key at ${way.from} to the one at ${way.to}: go to either to move ${title}.`;
  }

  /** Why the camera can't be moved at an exposure, or "". */
  refusalOfCamera(exposure) {
    if (this.shot.camera.begins_moved) return "A move of this camera is over as the shot begins: write its place by hand.";
    const { matrices, lenses_mm } = this.shot.camera;
    const same = fromRows(at(matrices, exposure)).equals(this.first.matrix) && at(lenses_mm, exposure) === this.first.lens_mm;
    return same ? "" : "The camera's place is written for the shot's first frame, and it has moved since: go to the first frame.";
  }

  /** A puppet put down at a place. fromHere: from the key in force on, instead of where its place was said last. */
  movePuppet(name, frame, place, fromHere) {
    const spots = this.spots.get(name);
    const spot = this.spotFor(spots, frame, fromHere, spotOfPlace);
    const mark = this.markAt(place);
    const change = { kind: "puppet", character: name, key: spot.frame, at: mark?.name ?? roundedPlace(place) };
    // A mark says which way to face as well: whoever leaves it keeps facing that way.
    if (spot.facing_of_mark && mark === null) change.facing = rounded(spot.facing_deg, 1);
    this.add(change);
  }

  turnPuppet(name, frame, facing, fromHere) {
    const spot = this.spotFor(this.spots.get(name), frame, fromHere, spotOfFacing);
    this.add({ kind: "puppet", character: name, key: spot.frame, facing: rounded(nearTurn(facing), 1) });
  }

  /** The first key says nothing that the cast entry could not say as well. */
  spotFor(spots, frame, fromHere, spotOf) {
    const key = keyAt(spots, frame);
    return fromHere && key !== spots[1] ? key : spotOf(spots, frame);
  }

  /** A camera by hand. change: position and target as vectors, lens_mm; what is not given stays. */
  moveCamera({ position, target, lens_mm }) {
    const now = this.camera;
    const change = { kind: "camera" };
    const sticks = this.shot.camera.framed;
    if (position !== undefined || sticks) change.position = roundedPlace(position ?? now.position);
    if (target !== undefined || sticks || !this.shot.camera.says_target) change.target = roundedPlace(target ?? now.target);
    if (lens_mm !== undefined) change.lens_mm = rounded(lens_mm, 1);
    this.add(change);
  }

  add(change) {
    const same = (one) => one.kind === change.kind && one.character === change.character && one.key === change.key;
    this.before.push(this.changes);
    this.changes = [...this.changes.filter((one) => !same(one)), { ...this.changes.find(same), ...change }];
    this.resolve();
  }

  /** As it was before the last change. Returns whether there was one. */
  takeBack() {
    if (this.before.length === 0) return false;
    this.changes = this.before.pop();
    this.resolve();
    return true;
  }

  resolve() {
    for (const puppet of this.shot.puppets) {
      const changes = {};
      for (const change of this.changes) {
        if (change.character === puppet.name) changes[change.key ?? ""] = this.asSpot(change);
      }
      this.spots.set(puppet.name, changedSpots(puppet.spots, changes));
    }
  }

  asSpot(change) {
    const spot = {};
    if (change.facing !== undefined) spot.facing_deg = change.facing;
    if (typeof change.at === "string") {
      spot.mark = this.shot.set.marks.find((mark) => mark.name === change.at);
      spot.at = spot.mark.at;
    } else if (change.at !== undefined) {
      spot.at = change.at;
    }
    return spot;
  }

  markAt(place) {
    const near = this.shot.set.marks.filter((mark) => new Vector3(...mark.at).distanceTo(place) < MARK_REACH_M);
    return near[0] ?? null;
  }

  /** Where a puppet is put at a frame, or null where nothing is proposed for it. */
  rootOf(name, frame) {
    if (!this.changes.some((change) => change.character === name)) return null;
    return rootAt(this.spots.get(name), frame);
  }

  /** The camera as the shot begins: position and target, as vectors, and lens. */
  get camera() {
    const { camera } = this.shot;
    const change = this.changes.find((one) => one.kind === "camera");
    return {
      position: new Vector3(...(change?.position ?? camera.position)),
      target: new Vector3(...(change?.target ?? camera.target)),
      lens_mm: change?.lens_mm ?? this.first.lens_mm,
    };
  }

  /** The lens at an exposure: { matrix, lens_mm, aperture_mm, focus_m, f_stop, target }. hand: a camera that is being dragged. */
  lensAt(exposure, hand = null) {
    const { camera } = this.shot;
    const matrix = fromRows(at(camera.matrices, exposure));
    const told = {
      matrix,
      lens_mm: at(camera.lenses_mm, exposure),
      aperture_mm: camera.aperture_mm,
      focus_m: at(camera.focus_m, exposure),
      f_stop: at(camera.f_stops, exposure),
      target: this.camera.target,
    };
    if (hand === null && !this.changes.some((change) => change.kind === "camera")) return told;
    const now = { ...this.camera, ...hand };
    const lens_mm = now.lens_mm + told.lens_mm - this.first.lens_mm;
    const start = placedByHand({ ...camera, ...now });
    // What the camera did since the shot began it does from its new place too.
    const since = new Matrix4().copy(this.first.matrix).invert().multiply(matrix);
    return { ...told, matrix: start.multiply(since), lens_mm, target: now.target, focus_m: now.position.distanceTo(now.target) };
  }
}

/** A change in words. */
export function inWords(change, shot) {
  if (change.kind === "camera") {
    const said = [];
    if (change.position) said.push(`at ${change.position.join(", ")}`);
    if (change.target) said.push(`looking at ${change.target.join(", ")}`);
    if (change.lens_mm) said.push(`${change.lens_mm} mm`);
    return `camera ${said.join(", ")}`;
  }
  const said = [];
  if (change.at !== undefined) said.push(`to ${typeof change.at === "string" ? change.at : change.at.join(", ")}`);
  if (change.facing !== undefined) said.push(`facing ${change.facing}°`);
  const from = change.key === null ? "from the beginning" : `from the key at ${change.key}`;
  return `${shot.puppet(change.character).title} ${said.join(", ")}, ${from}`;
}
