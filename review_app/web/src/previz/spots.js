/** Where puppets stand, as film_pipeline/core/blocking.py has it: spots of the file, eased from key to key. */

import { Matrix4, Vector3 } from "three";
import { facingOf, nearTurn, radians } from "./space.js";

const EASES = {
  linear: (amount) => amount,
  in: (amount) => amount * amount,
  out: (amount) => 1 - (1 - amount) ** 2,
  "in-out": (amount) => amount * amount * (3 - 2 * amount),
  hold: (amount) => (amount < 1 ? 0 : 1),
};
const SAME_M = 1e-5;
const SAME_DEG = 1e-3;

/** Which key (counted from 0) a frame follows, and how far it is eased towards the next. */
export function betweenKeys(keys, frame) {
  let place = 0;
  keys.forEach((key, number) => {
    if (key.frame <= frame) place = number;
  });
  const [first, second] = [keys[place], keys[place + 1]];
  if (second === undefined || frame <= first.frame) return { place, amount: 0 };
  return { place, amount: EASES[first.ease]((frame - first.frame) / (second.frame - first.frame)) };
}

/**
 * The spots of a puppet with changes made to them: what the cast entry says, then its keys, each with where the puppet
 * then stands. changes: by the key's frame ("" for the cast entry), { at, mark, facing_deg }.
 */
export function changedSpots(spots, changes) {
  let at;
  let facing;
  return spots.map((spot) => {
    const change = changes[spot.frame ?? ""];
    const now = { ...spot };
    if (change?.at !== undefined) {
      Object.assign(now, { at: change.at, says_at: true, mark: change.mark?.name ?? null });
      now.facing_of_mark = now.mark !== null && !now.says_facing;
      if (now.facing_of_mark) now.facing_deg = change.mark.facing_deg;
    }
    if (change?.facing_deg !== undefined) {
      Object.assign(now, { facing_deg: change.facing_deg, says_facing: true, facing_of_mark: false, faces: null });
    }
    if (now.frame === null || now.says_at) at = now.at;
    if (now.faces !== null) facing = facingOf(now.faces[0] - at[0], now.faces[1] - at[1]);
    else if (now.frame === null || now.says_facing || now.facing_of_mark) facing = now.facing_deg;
    return { ...now, at, facing_deg: facing };
  });
}

/** Where the puppet's root is at a frame, in the set. */
export function rootAt(spots, frame) {
  const keys = spots.slice(1);
  const { place, amount } = betweenKeys(keys, frame);
  const place3 = new Vector3(...keys[place].at);
  let facing = keys[place].facing_deg;
  if (amount > 0) {
    place3.lerp(new Vector3(...keys[place + 1].at), amount);
    facing += nearTurn(keys[place + 1].facing_deg - facing) * amount;
  }
  return new Matrix4().makeRotationZ(radians(facing)).setPosition(place3);
}

/** Whether the puppet is on its way from one key's spot to the next at a frame, and between which frames. */
export function onItsWay(spots, frame) {
  const keys = spots.slice(1);
  const { place, amount } = betweenKeys(keys, frame);
  if (amount <= 0 || amount >= 1) return null;
  const [from, to] = [keys[place], keys[place + 1]];
  const moves = new Vector3(...from.at).distanceTo(new Vector3(...to.at)) > SAME_M;
  const turns = Math.abs(nearTurn(from.facing_deg - to.facing_deg)) > SAME_DEG;
  return moves || turns ? { from: from.frame, to: to.frame } : null;
}

/** Which spot says where the puppet stands at a frame: the last key that says a place, else the cast entry. */
export function spotOfPlace(spots, frame) {
  return lastThat(spots, frame, (spot) => spot.says_at);
}

/** Which spot says which way it faces. */
export function spotOfFacing(spots, frame) {
  return lastThat(spots, frame, (spot) => spot.says_facing || spot.facing_of_mark);
}

/** The key that is in force at a frame. */
export function keyAt(spots, frame) {
  const keys = spots.slice(1);
  return keys[betweenKeys(keys, frame).place];
}

function lastThat(spots, frame, says) {
  const until = spots.indexOf(keyAt(spots, frame));
  return spots.slice(1, until + 1).findLast(says) ?? spots[0];
}
