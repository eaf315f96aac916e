/** The shot's camera as film_pipeline/core/camera.py has it: where it is placed, and how it projects. */

import { Matrix4, Vector3 } from "three";
import { UP, radians } from "./space.js";

/** A camera's matrix at a position, looking at a target, level with the horizon. */
export function lookAt(position, target) {
  const back = new Vector3().subVectors(position, target);
  if (back.length() > 1e-9) back.normalize();
  else back.set(0, 0, 1);
  const right = new Vector3().crossVectors(UP, back);
  if (right.length() < 1e-6) right.set(1, 0, 0);
  right.normalize();
  const up = new Vector3().crossVectors(back, right);
  return new Matrix4().makeBasis(right, up, back).setPosition(position);
}

/** The matrix of a camera that is placed by hand, turned away from its target as place, tilt and roll say. */
export function placedByHand({ position, target, lens_mm, aperture_mm, place, tilt_deg, roll_deg }) {
  const pan = Math.atan(((place[0] - 0.5) * aperture_mm[0]) / lens_mm);
  const tilt = Math.atan(((place[1] - 0.5) * aperture_mm[1]) / lens_mm);
  const matrix = lookAt(position, target).setPosition(0, 0, 0);
  return matrix
    .premultiply(new Matrix4().makeRotationZ(pan))
    .multiply(new Matrix4().makeRotationX(tilt + radians(tilt_deg)))
    .multiply(new Matrix4().makeRotationZ(radians(roll_deg)))
    .setPosition(position);
}

/**
 * Give a camera the shot camera's view. gate: where the film gate lies in a picture of that size, in pixels from its top
 * left; the gate is all of the picture unless given. What lies around it is what the lens would see beyond the gate.
 */
export function throughTheLens(camera, matrix, lens_mm, aperture_mm, gate = null, size = [1, 1]) {
  const { left, top, width, height } = gate ?? { left: 0, top: 0, width: size[0], height: size[1] };
  const across = (pixels) => (((pixels - left) / width - 0.5) * aperture_mm[0] * camera.near) / lens_mm;
  const up = (pixels) => ((0.5 - (pixels - top) / height) * aperture_mm[1] * camera.near) / lens_mm;
  camera.projectionMatrix.makePerspective(
    across(0), across(size[0]), up(0), up(size[1]), camera.near, camera.far, camera.coordinateSystem,
  );
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
  camera.matrixAutoUpdate = false;
  camera.matrix.copy(matrix);
  camera.matrixWorldNeedsUpdate = true;
  camera.updateMatrixWorld(true);
  return camera;
}

/** The angle that the lens takes in across the gate, in radians. */
export function angleAcross(lens_mm, aperture_mm) {
  return 2 * Math.atan(aperture_mm / 2 / lens_mm);
}

/** The four corners of what the lens sees at a distance, in the camera's own space, from the left top clockwise. */
export function cornersAt(distance, lens_mm, aperture_mm, share = 1) {
  const x = ((aperture_mm[0] / lens_mm / 2) * distance) * share;
  const y = ((aperture_mm[1] / lens_mm / 2) * distance) * share;
  return [[-x, y], [x, y], [x, -y], [-x, -y]].map(([across, up]) => new Vector3(across, up, -distance));
}
