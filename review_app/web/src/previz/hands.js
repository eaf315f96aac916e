/** Hands: the handles with which a puppet is moved and turned, and the camera is moved and aimed. */

import { Object3D, Vector3 } from "three";
import { TransformControls } from "three/addons/controls/TransformControls.js";
import { facingOf, radians } from "./space.js";

export class Hands {
  /** told: { grabbed(), dragged(grip), dropped(grip), changed() }, grip being { place, facing }. */
  constructor(camera, canvas, told) {
    this.grip = new Object3D();
    this.controls = new TransformControls(camera, canvas);
    this.controls.setSize(0.75);
    this.helper = this.controls.getHelper();
    this.controls.addEventListener("change", told.changed);
    this.controls.addEventListener("dragging-changed", ({ value }) => (value ? told.grabbed() : told.dropped(this.held)));
    this.controls.addEventListener("objectChange", () => told.dragged(this.held));
  }

  get held() {
    const ahead = new Vector3(0, -1, 0).applyQuaternion(this.grip.quaternion);
    return { place: this.grip.position.clone(), facing: facingOf(ahead.x, ahead.y) };
  }

  get dragging() {
    return this.controls.dragging;
  }

  /** Whether the pointer is over a handle, so that a press of the button is not meant for the picture. */
  get touched() {
    return this.controls.axis !== null;
  }

  /** Take hold at a place. how: "floor" (over the floor), "space" (anywhere) or "turn" (about the upright). */
  take(place, facing, how) {
    const { controls, grip } = this;
    if (!controls.dragging) {
      grip.position.copy(place);
      grip.rotation.set(0, 0, radians(facing));
      grip.updateMatrixWorld(true);
    }
    if (this.how === how && controls.object === grip) return;
    this.how = how;
    controls.setMode(how === "turn" ? "rotate" : "translate");
    controls.setSpace("world");
    controls.showX = controls.showY = how !== "turn";
    controls.showZ = how !== "floor";
    controls.attach(grip);
  }

  letGo() {
    this.how = null;
    if (this.controls.object) this.controls.detach();
  }

  dispose() {
    this.controls.dispose();
  }
}
