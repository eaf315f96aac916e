/** What is drawn into the set for the crew: the camera, its frustum, rods, lights, marks, paths. None of it is there. */

import {
  BufferGeometry,
  EdgesGeometry,
  Float32BufferAttribute,
  Group,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshBasicMaterial,
  BoxGeometry,
  SphereGeometry,
  Vector3,
} from "three";
import { cornersAt } from "./lens.js";
import { at } from "./shot.js";
import { facingWay, fromRows } from "./space.js";

const INK = { camera: 0xe6e6e6, gate: 0xffffff, faint: 0x7d7d7d, chosen: 0xf0a030, rod: 0xd0d0d0, light: 0xd8c690 };
const GATE_M = 0.45;

/** Lines from pairs of places. over: seen through everything. */
export function lines(places, color, { over = false, opacity = 1 } = {}) {
  const material = new LineBasicMaterial({ color, transparent: opacity < 1 || over, opacity, depthTest: !over, fog: false });
  const made = new LineSegments(new BufferGeometry(), material);
  made.frustumCulled = false;
  if (over) made.renderOrder = 10;
  redraw(made, places);
  return made;
}

export function redraw(made, places) {
  const numbers = places.flatMap((place) => [place.x, place.y, place.z]);
  const there = made.geometry.getAttribute("position");
  if (there?.array.length === numbers.length) {
    there.array.set(numbers);
    there.needsUpdate = true;
    return;
  }
  // Frees the GPU's copy of what was drawn before.
  made.geometry.dispose();
  made.geometry.setAttribute("position", new Float32BufferAttribute(numbers, 3));
}

function path(places) {
  return places.slice(1).flatMap((place, number) => [places[number], place]);
}

function loop(places) {
  return path([...places, places[0]]);
}

/** The shot's camera: its body, its gate with the safe areas, what it sees as far as it is focused, its target. */
export class CameraDrawing {
  constructor() {
    this.group = new Group();
    this.body = cameraBody();
    this.edges = lines([], INK.camera);
    this.gate = lines([], INK.gate);
    this.safe = lines([], INK.faint);
    this.focus = lines([], INK.faint, { opacity: 0.7 });
    this.rays = lines([], INK.faint, { opacity: 0.45 });
    this.rig = new Group();
    this.rig.matrixAutoUpdate = false;
    this.rig.add(this.body, this.edges, this.gate, this.safe, this.focus, this.rays);
    this.target = new Mesh(new SphereGeometry(0.035, 16, 12), new MeshBasicMaterial({ color: INK.faint, fog: false }));
    this.aim = lines([], INK.faint, { opacity: 0.5 });
    this.path = lines([], INK.faint, { opacity: 0.8 });
    this.group.add(this.rig, this.target, this.aim, this.path);
  }

  place({ matrix, lens_mm, aperture_mm, focus_m, target, chosen }) {
    this.rig.matrix.copy(matrix);
    this.rig.matrixWorldNeedsUpdate = true;
    const eye = new Vector3();
    const corners = cornersAt(GATE_M, lens_mm, aperture_mm);
    redraw(this.edges, corners.flatMap((corner) => [eye, corner]));
    redraw(this.gate, loop(corners));
    redraw(this.safe, [0.93, 0.9].flatMap((share) => loop(cornersAt(GATE_M, lens_mm, aperture_mm, share))));
    const sharp = cornersAt(focus_m, lens_mm, aperture_mm);
    redraw(this.focus, loop(sharp));
    redraw(this.rays, sharp.flatMap((corner, number) => [corners[number], corner]));
    this.target.position.copy(target);
    redraw(this.aim, [new Vector3().setFromMatrixPosition(matrix), target]);
    const color = chosen ? INK.chosen : INK.camera;
    this.edges.material.color.set(color);
    this.gate.material.color.set(chosen ? INK.chosen : INK.gate);
    this.body.children.forEach((part) => part.isLineSegments && part.material.color.set(chosen ? INK.chosen : 0xcfcfcf));
    this.target.visible = this.aim.visible = chosen;
  }

  /** Where the camera goes during the shot. */
  travel(camera) {
    const places = camera.matrices.map((rows) => new Vector3().setFromMatrixPosition(fromRows(rows)));
    redraw(this.path, places.length > 1 ? path(places) : []);
  }
}

/** A film camera about the size of a real one, the middle of its lens in the origin. */
function cameraBody() {
  const boxes = [
    { size: [0.13, 0.17, 0.2], at: [0, -0.01, 0.17] },
    { size: [0.08, 0.08, 0.07], at: [0, 0, 0.035] },
    { size: [0.05, 0.13, 0.13], at: [0, 0.14, 0.24] },
    { size: [0.05, 0.13, 0.13], at: [0, 0.14, 0.11] },
  ];
  const group = new Group();
  for (const { size, at: place } of boxes) {
    const shape = new BoxGeometry(...size).translate(...place);
    group.add(new Mesh(shape, new MeshBasicMaterial({ color: 0x3c3c3c, fog: false, polygonOffset: true, polygonOffsetFactor: 1 })));
    group.add(new LineSegments(new EdgesGeometry(shape), new LineBasicMaterial({ color: 0xcfcfcf, fog: false })));
  }
  return group;
}

/** A rod beside a puppet: a tick for each tenth of a metre, a longer one for each half, and the puppet's own height. */
export class Rod {
  constructor(puppet) {
    this.puppet = puppet;
    this.group = new Group();
    this.group.matrixAutoUpdate = false;
    const height = puppet.told.height_m;
    const side = 0.3 * height + 0.12;
    const spot = (x, z) => new Vector3(x, 0, z);
    const ticks = [];
    for (let tenth = 0; tenth <= Math.floor(height * 10 + 1e-6); tenth += 1) {
      const long = tenth % 5 === 0 ? 0.09 : 0.045;
      ticks.push(spot(side - long / 2, tenth / 10), spot(side + long / 2, tenth / 10));
    }
    this.group.add(lines([spot(side, 0), spot(side, height), ...ticks], INK.rod));
    this.group.add(lines([spot(side - 0.16, height), spot(side + 0.07, height)], INK.gate));
    this.top = spot(side, height);
    this.eyes = lines([], INK.light);
    this.group.add(this.eyes);
    this.side = side;
  }

  /** Stand beside the puppet, on the side that the eye sees it from. */
  stand(eye) {
    const place = this.puppet.standsAt;
    const across = Math.atan2(eye.y - place.y, eye.x - place.x) + Math.PI / 2;
    this.group.matrix.makeRotationZ(across).setPosition(place);
    this.group.matrixWorldNeedsUpdate = true;
    const up = this.puppet.eyesUp;
    redraw(this.eyes, up === null ? [] : [new Vector3(this.side - 0.12, 0, up), new Vector3(this.side + 0.05, 0, up)]);
  }

  labels() {
    const of = (place) => place.clone().applyMatrix4(this.group.matrix);
    const { title, height_m } = this.puppet.told;
    const told = [{ place: of(this.top), text: `${title} ${height_m.toFixed(2)} m`, kind: "name" }];
    const up = this.puppet.eyesUp;
    if (up !== null) told.push({ place: of(new Vector3(this.side + 0.05, 0, up)), text: `eyes ${up.toFixed(2)}`, kind: "small" });
    return told;
  }
}

/** Signs for the lights: what kind, which way, and whether it is on. */
export class LightSigns {
  constructor(lights) {
    this.group = new Group();
    this.signs = lights.map((told) => {
      const made = lines(signOf(told), INK.light);
      made.matrixAutoUpdate = false;
      this.group.add(made);
      return { told, made };
    });
  }

  expose(exposure) {
    for (const { told, made } of this.signs) {
      made.matrix.copy(fromRows(at(told.matrices, exposure)));
      made.matrixWorldNeedsUpdate = true;
      const on = at(told.watts, exposure) > 0;
      made.material.color.set(on ? INK.light : 0x4c4c4c);
    }
  }

  labels(exposure) {
    return this.signs.map(({ told, made }) => {
      const watts = at(told.watts, exposure);
      const text = `${told.name} ${watts > 0 ? `${Number(watts.toPrecision(3))} ${told.kind === "distant" ? "W/m²" : "W"}` : "out"}`;
      return { place: new Vector3().setFromMatrixPosition(made.matrix), text, kind: "small" };
    });
  }
}

function signOf({ kind, size_m }) {
  const [x, y] = kind === "distant" ? [0.15, 0.15] : size_m.map((side) => Math.max(side, 0.08) / 2);
  const ahead = [new Vector3(), new Vector3(0, 0, -Math.max(0.25, x + y))];
  if (kind === "rect") return [...loop([v(-x, -y), v(x, -y), v(x, y), v(-x, y)]), ...ahead];
  const round = Array.from({ length: 20 }, (_, number) => (number / 20) * 2 * Math.PI);
  const circle = (place) => loop(round.map(place));
  const flat = circle((turn) => v(x * Math.cos(turn), x * Math.sin(turn)));
  if (kind !== "sphere") return [...flat, ...ahead];
  return [...flat, ...circle((turn) => new Vector3(x * Math.cos(turn), 0, x * Math.sin(turn))), ...circle((turn) => new Vector3(0, x * Math.cos(turn), x * Math.sin(turn)))];
}

function v(x, y) {
  return new Vector3(x, y, 0);
}

/** Marks on the floor: a cross, and which way whoever stands there faces. */
export class Marks {
  constructor(marks) {
    this.marks = marks;
    this.group = new Group();
    const drawn = marks.flatMap((mark) => {
      const middle = new Vector3(...mark.at).setZ(mark.at[2] + 0.012);
      const way = facingWay(mark.facing_deg).multiplyScalar(0.14);
      const beside = new Vector3(-way.y, way.x, 0);
      const about = (one, other) => [middle.clone().add(one), middle.clone().add(other)];
      const arm = (one) => about(one, one.clone().negate());
      const tip = way.clone().multiplyScalar(1.7);
      return [...arm(way), ...arm(beside), ...about(way, tip)];
    });
    this.group.add(lines(drawn, 0xe8d44d, { over: true, opacity: 0.85 }));
  }

  labels() {
    return this.marks.map((mark) => ({ place: new Vector3(...mark.at), text: mark.name, kind: "mark" }));
  }
}

/** Where a puppet goes: its way over the floor, a dot at each key that puts it somewhere, and which way it faces now. */
export class Way {
  constructor() {
    this.group = new Group();
    this.line = lines([], 0xbdbdbd, { over: true, opacity: 0.9 });
    this.stands = lines([], 0xffffff, { over: true });
    this.group.add(this.line, this.stands);
  }

  draw(roots, spots, root, height, chosen) {
    const lift = (place) => place.clone().setZ(place.z + 0.015);
    redraw(this.line, path(roots.map((one) => lift(new Vector3().setFromMatrixPosition(one)))));
    const now = lift(new Vector3().setFromMatrixPosition(root));
    const ahead = new Vector3(0, -1, 0).transformDirection(root);
    const beside = new Vector3(-ahead.y, ahead.x, 0);
    const reach = Math.max(0.16 * height, 0.14);
    const round = Array.from({ length: 24 }, (_, number) => (number / 24) * 2 * Math.PI);
    const ring = loop(round.map((turn) => now.clone().add(new Vector3(Math.cos(turn) * reach, Math.sin(turn) * reach, 0))));
    const point = (along, across) => now.clone().addScaledVector(ahead, along * reach).addScaledVector(beside, across * reach);
    const arrow = [point(1, 0), point(1.9, 0), point(1.9, 0), point(1.55, 0.25), point(1.9, 0), point(1.55, -0.25)];
    const dots = spots.filter((spot) => spot.says_at).flatMap((spot) => cross(lift(new Vector3(...spot.at)), 0.05));
    redraw(this.stands, [...ring, ...arrow, ...dots]);
    this.stands.material.color.set(chosen ? INK.chosen : 0xffffff);
  }
}

function cross(place, reach) {
  const arm = (x, y) => [place.clone().add(v(x, y)), place.clone().sub(v(x, y))];
  return [...arm(reach, reach), ...arm(reach, -reach)];
}

/** The floor of the room around the set: a line each metre, a stronger one each five. */
export function grid(reach = 10) {
  const group = new Group();
  const drawn = { 0x303030: [], 0x404040: [] };
  for (let metre = -reach; metre <= reach; metre += 1) {
    const into = drawn[metre % 5 === 0 ? 0x404040 : 0x303030];
    into.push(v(metre, -reach), v(metre, reach), v(-reach, metre), v(reach, metre));
  }
  for (const [color, places] of Object.entries(drawn)) group.add(lines(places, Number(color)));
  group.position.z = -0.06;
  return group;
}

/** A measured way between two places, with its feet. */
export function tape() {
  const made = lines([], 0xffffff, { over: true });
  made.renderOrder = 20;
  return {
    made,
    draw(from, to) {
      if (from === null) redraw(made, []);
      else if (to === null) redraw(made, tripod(from));
      else redraw(made, [from, to, ...tripod(from), ...tripod(to)]);
    },
  };
}

function tripod(place) {
  const arms = [new Vector3(0.04, 0, 0), new Vector3(0, 0.04, 0), new Vector3(0, 0, 0.04)];
  return arms.flatMap((arm) => [place.clone().add(arm), place.clone().sub(arm)]);
}

export function dispose(group) {
  group.traverse((node) => {
    node.geometry?.dispose();
    for (const material of [node.material].flat()) material?.dispose();
  });
}

