/** Spaces: the scene is in the film's own space, metres with Z up; glTF has (x, z, -y) of it. */

import { Matrix4, Vector3 } from "three";

export const UP = Object.freeze(new Vector3(0, 0, 1));

/** Takes a place of a glTF file to set space. */
export const FROM_GLTF = Object.freeze(new Matrix4().set(1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1));

/** A matrix of the document: 16 numbers, row after row. */
export function fromRows(rows, into = new Matrix4()) {
  return into.set(...rows);
}

export function toRows(matrix) {
  return new Matrix4().copy(matrix).transpose().toArray();
}

export function radians(degrees) {
  return (degrees * Math.PI) / 180;
}

export function degrees(radians) {
  return (radians * 180) / Math.PI;
}

/** Which way a direction on the floor faces: 0 is -Y, counter-clockwise seen from above. */
export function facingOf(x, y) {
  return degrees(Math.atan2(x, -y));
}

export function facingWay(facing) {
  const turn = radians(facing);
  return new Vector3(Math.sin(turn), -Math.cos(turn), 0);
}

/** A turn brought between -180 and 180. */
export function nearTurn(turn) {
  return ((((turn + 180) % 360) + 360) % 360) - 180;
}

export function rounded(value, digits) {
  const by = 10 ** digits;
  return Math.round(value * by) / by + 0;
}

export function roundedPlace(place) {
  return [place.x, place.y, place.z].map((value) => rounded(value, 3));
}
