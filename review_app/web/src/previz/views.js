/** The three ways to look: through the shot's camera, freely around the set, and down on the plan. */

import { MOUSE, OrthographicCamera, PerspectiveCamera, Quaternion, TOUCH, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { throughTheLens } from "./lens.js";
import { UP } from "./space.js";

export const VIEWS = ["camera", "free", "plan"];
const GATE_SHARE = { width: 0.92, height: 0.86 };
const WALK_MPS = 1.6;
const PLAN_CUT_M = 1.4;

export class Views {
  constructor(canvas, changed) {
    this.which = "free";
    this.size = [1, 1];
    /** Pixels at the right that something else lies over. */
    this.reserved = 0;
    this.lens = near(new PerspectiveCamera());
    this.free = near(new PerspectiveCamera(42, 1));
    this.free.up.copy(UP);
    this.plan = new OrthographicCamera(-1, 1, 1, -1, 0.1, 100);
    for (const camera of [this.lens, this.free, this.plan]) camera.layers.enableAll();
    this.orbit = new OrbitControls(this.free, canvas);
    this.orbit.zoomSpeed = 0.8;
    this.pan = new OrbitControls(this.plan, canvas);
    Object.assign(this.pan, { enableRotate: false, screenSpacePanning: true });
    this.pan.mouseButtons.LEFT = MOUSE.PAN;
    this.pan.touches.ONE = TOUCH.PAN;
    for (const controls of [this.orbit, this.pan]) controls.addEventListener("change", changed);
    this.use("free");
  }

  get camera() {
    return { camera: this.lens, free: this.free, plan: this.plan }[this.which];
  }

  use(which) {
    this.which = which;
    this.hold(false);
  }

  /** Let go of the mouse while something else drags. */
  hold(held) {
    this.orbit.enabled = !held && this.which === "free";
    this.pan.enabled = !held && this.which === "plan";
  }

  resize(width, height) {
    this.size = [width, height];
    this.free.aspect = width / height;
    this.free.updateProjectionMatrix();
    const tall = this.plan.top - this.plan.bottom;
    Object.assign(this.plan, { left: (-tall * width) / height / 2, right: (tall * width) / height / 2 });
    this.plan.updateProjectionMatrix();
  }

  /** The film gate within the canvas, in pixels: { left, top, width, height }. */
  gate(aspect) {
    const [all, height] = this.size;
    const width = all - this.reserved;
    const wide = Math.min(width * GATE_SHARE.width, height * GATE_SHARE.height * aspect);
    const tall = wide / aspect;
    return { left: (width - wide) / 2, top: (height - tall) / 2, width: wide, height: tall };
  }

  lookThrough({ matrix, lens_mm, aperture_mm }) {
    throughTheLens(this.lens, matrix, lens_mm, aperture_mm, this.gate(aperture_mm[0] / aperture_mm[1]), this.size);
  }

  /** Begin behind the camera's shoulder, with the camera and what it looks at in sight. */
  standBehind(matrix, target) {
    const eye = new Vector3().setFromMatrixPosition(matrix);
    const back = new Vector3().setFromMatrixColumn(matrix, 2).setZ(0).normalize();
    const right = new Vector3().setFromMatrixColumn(matrix, 0).setZ(0).normalize();
    const away = Math.max(eye.distanceTo(target), 1.5);
    this.free.position.copy(eye).addScaledVector(back, 1.1 + away * 0.35).addScaledVector(right, 0.7 + away * 0.35);
    this.free.position.z = Math.max(eye.z, target.z) + 0.9 + away * 0.3;
    this.orbit.target.copy(eye).lerp(target, 0.62);
    this.orbit.update();
  }

  lookAt(place, distance) {
    const way = new Vector3().subVectors(this.free.position, this.orbit.target).normalize();
    this.orbit.target.copy(place);
    this.free.position.copy(place).addScaledVector(way, distance);
    this.orbit.update();
  }

  /** Show all of these places from above. Walls are cut at a height over the floors that puppets stand on. */
  layPlan(places, lowest, floor) {
    const box = places.reduce(
      (one, { x, y }) => ({ left: Math.min(one.left, x), right: Math.max(one.right, x), low: Math.min(one.low, y), high: Math.max(one.high, y) }),
      { left: Infinity, right: -Infinity, low: Infinity, high: -Infinity },
    );
    const [width, height] = this.size;
    const tall = Math.max(box.high - box.low, ((box.right - box.left) * height) / width, 1) + 1.2;
    Object.assign(this.plan, { top: tall / 2, bottom: -tall / 2, zoom: 1 });
    const middle = new Vector3((box.left + box.right) / 2, (box.low + box.high) / 2, floor);
    this.cut = floor + PLAN_CUT_M;
    this.lowest = lowest;
    this.plan.position.copy(middle).setZ(floor + 30);
    this.plan.far = 60;
    this.pan.target.copy(middle);
    this.resize(width, height);
    this.pan.update();
  }

  /** How near the plan's view begins: at the cut for the set, above all heads for puppets. */
  planFrom(height) {
    this.plan.near = height === null ? 0.1 : Math.max(this.plan.position.z - height, 0.1);
    this.plan.updateProjectionMatrix();
  }

  /** Walk over the floor, rise or sink: steps ahead, to the right and up, each -1, 0 or 1. */
  walk([ahead, right, up], seconds, fast) {
    const by = WALK_MPS * seconds * (fast ? 3 : 1);
    const level = new Vector3().subVectors(this.orbit.target, this.free.position).setZ(0);
    if (this.which === "plan") level.set(0, 1, 0);
    level.normalize();
    const step = new Vector3(level.y, -level.x, 0).multiplyScalar(right).addScaledVector(level, ahead).addScaledVector(UP, up);
    step.multiplyScalar(by);
    const [camera, controls] = this.which === "plan" ? [this.plan, this.pan] : [this.free, this.orbit];
    if (this.which === "plan") step.z = 0;
    camera.position.add(step);
    controls.target.add(step);
    controls.update();
  }

  /** Turn on the spot or look up and down, in radians: as a person who stands there does. */
  turn(left, up) {
    const way = new Vector3().subVectors(this.orbit.target, this.free.position);
    const side = new Vector3().crossVectors(way, UP).normalize();
    way.applyQuaternion(new Quaternion().setFromAxisAngle(UP, left));
    const nodded = way.clone().applyQuaternion(new Quaternion().setFromAxisAngle(side, up));
    if (Math.abs(nodded.clone().normalize().z) < 0.98) way.copy(nodded);
    this.orbit.target.copy(this.free.position).add(way);
    this.orbit.update();
  }

  dispose() {
    this.orbit.dispose();
    this.pan.dispose();
  }
}

function near(camera) {
  Object.assign(camera, { near: 0.02, far: 200 });
  return camera;
}
