/** The set as the shot has it: pieces moved, opened or out, practicals at their level. */

import { Group, Matrix4, Vector3 } from "three";
import { nameOf } from "./puppet.js";
import { FROM_GLTF, fromRows, radians } from "./space.js";
import { Surface } from "./surfaces.js";

const WALLS = ["wall", "plank_wall", "backdrop"];
const OVERHEAD = ["ceiling", "beam"];

export class Room {
  constructor(told, gltf, who) {
    this.name = told.name;
    this.group = new Group();
    this.group.name = told.name;
    const root = gltf.scene;
    root.matrixAutoUpdate = false;
    root.matrix.copy(FROM_GLTF);
    root.updateMatrixWorld(true);
    const meshes = [];
    root.traverse((node) => node.isMesh && meshes.push(node));
    this.meshes = meshes.map((mesh) => ({ mesh, names: namesOf(mesh), stands: new Matrix4().copy(mesh.matrixWorld) }));
    this.surfaces = meshes.map((mesh) => new Surface(mesh, "set", who));
    for (const mesh of meshes) {
      mesh.matrixAutoUpdate = false;
      this.group.add(mesh);
    }
    this.renew(told);
  }

  /** Stand as the document has it. */
  renew(told) {
    const pieceOf = new Map();
    this.pieces = told.pieces.map((piece) => ({ told: piece, meshes: [] }));
    for (const piece of this.pieces) for (const mesh of Object.keys(piece.told.meshes)) pieceOf.set(mesh, piece);
    for (const { mesh, names, stands } of this.meshes) {
      const name = names.find((one) => pieceOf.has(one));
      const piece = pieceOf.get(name);
      const moved = piece?.told.meshes[name];
      mesh.matrix.copy(stands);
      if (moved) mesh.matrix.premultiply(fromRows(moved));
      mesh.matrixWorldNeedsUpdate = true;
      mesh.visible = piece?.told.shown ?? true;
      piece?.meshes.push(mesh);
    }
  }

  /** Take walls away that stand between the eye and the room, and what is overhead where the eye is above it. */
  cutAway(eye, heads) {
    for (const { told, meshes } of this.pieces) {
      if (!told.shown) continue;
      const cut = eye !== null && (isBehind(told, eye) || isUnder(told, eye, heads));
      for (const mesh of meshes) mesh.visible = !cut;
    }
  }

  dispose() {
    for (const surface of this.surfaces) surface.dispose();
  }
}

/** The mesh's name, and that of its node, which is the object's where the mesh is one primitive of several. */
function namesOf(mesh) {
  return [nameOf(mesh), ...(mesh.parent ? [nameOf(mesh.parent)] : [])];
}

function isBehind(piece, eye) {
  if (!WALLS.includes(piece.kind)) return false;
  const turn = radians(piece.turn_deg);
  return (eye.x - piece.at[0]) * Math.sin(turn) - (eye.y - piece.at[1]) * Math.cos(turn) < 0;
}

function isUnder(piece, eye, heads) {
  return OVERHEAD.includes(piece.kind) && piece.at[2] > heads && eye.z > piece.at[2];
}

/** Where on the floor a place is: the highest that lies at most a stair's step above it, or the place itself. */
export function floorUnder(room, place, raycaster) {
  const step = 0.45;
  raycaster.set(new Vector3(place.x, place.y, place.z + step), new Vector3(0, 0, -1));
  raycaster.far = step + 4;
  raycaster.layers.enableAll();
  const shown = room.group.children.filter((mesh) => mesh.visible);
  const floor = raycaster.intersectObjects(shown, false).find((hit) => isLevel(hit));
  if (floor === undefined || Math.abs(floor.point.z - place.z) < 0.03) return place.z;
  return floor.point.z;
}

function isLevel(hit) {
  return hit.face.normal.clone().transformDirection(hit.object.matrixWorld).z > 0.7;
}
