/** What lies under a point of the picture, and mattes: who each pixel belongs to, by one small pass of the GPU. */

import { Color, NearestFilter, PerspectiveCamera, Vector3, WebGLRenderTarget } from "three";
import { throughTheLens } from "./lens.js";
import { distanceFrom } from "./surfaces.js";

const NOBODY = new Color(0, 0, 0);

export class Picker {
  constructor(renderer, scene, groups) {
    this.renderer = renderer;
    this.scene = scene;
    this.groups = groups;
  }

  /**
   * Who is at a point of a camera's picture, and where in the set: { who, place } or null.
   * x and y are pixels from the top left of a picture of that width and height.
   */
  pick(camera, x, y, width, height) {
    const inward = camera.projectionMatrix.clone();
    // The projection of the one pixel, blown up to all of the target.
    const [left, down] = [(2 * (x + 0.5)) / width - 1, 1 - (2 * (y + 0.5)) / height];
    const zoom = inward.clone().identity();
    zoom.elements[0] = width;
    zoom.elements[5] = height;
    zoom.elements[12] = -left * width;
    zoom.elements[13] = -down * height;
    camera.projectionMatrix.premultiply(zoom);
    const pixel = this.draw(camera, 1, 1);
    camera.projectionMatrix.copy(inward);
    const who = this.groups[pixel[0] - 1];
    if (who === undefined) return null;
    const away = distanceFrom(pixel[1], pixel[2], pixel[3], camera.far);
    return { who: who.name, place: placeAt(camera, left, down, away) };
  }

  /** Who each pixel belongs to in the shot camera's own picture: 0 for nobody, else the place in `groups` from 1. */
  mattes(matrix, lens_mm, aperture_mm, width, height) {
    const camera = throughTheLens(new PerspectiveCamera(), matrix, lens_mm, aperture_mm);
    camera.layers.enableAll();
    const pixels = this.draw(camera, width, height);
    const who = new Uint8Array(width * height);
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        who[row * width + column] = pixels[4 * ((height - 1 - row) * width + column)];
      }
    }
    return who;
  }

  draw(camera, width, height) {
    const { renderer, scene } = this;
    const target = new WebGLRenderTarget(width, height, { minFilter: NearestFilter, magFilter: NearestFilter });
    const surfaces = this.groups.flatMap((group) => group.surfaces);
    const hidden = scene.children.filter((child) => child.visible && !this.groups.some((one) => one.group === child));
    for (const child of hidden) child.visible = false;
    for (const surface of surfaces) {
      surface.mesh.material = surface.identity;
      surface.identity.uniforms.far.value = camera.far;
    }
    const before = { background: scene.background, clear: renderer.getClearAlpha(), layers: camera.layers.mask };
    camera.layers.enableAll();
    scene.background = null;
    const color = renderer.getClearColor(new Color());
    renderer.setClearColor(NOBODY, 0);
    renderer.setRenderTarget(target);
    renderer.clear();
    renderer.render(scene, camera);
    const pixels = new Uint8Array(4 * width * height);
    renderer.readRenderTargetPixels(target, 0, 0, width, height, pixels);
    renderer.setRenderTarget(null);
    renderer.setClearColor(color, before.clear);
    scene.background = before.background;
    camera.layers.mask = before.layers;
    for (const surface of surfaces) surface.mesh.material = surface.worn;
    for (const child of hidden) child.visible = true;
    target.dispose();
    return pixels;
  }
}

function placeAt(camera, x, y, away) {
  const near = new Vector3(x, y, -1).applyMatrix4(camera.projectionMatrixInverse);
  const far = new Vector3(x, y, 1).applyMatrix4(camera.projectionMatrixInverse);
  const way = far.sub(near);
  const place = near.clone().addScaledVector(way, (-away - near.z) / way.z);
  return place.applyMatrix4(camera.matrixWorld);
}

/** The box of what belongs to somebody in a matte, in pixels [left, top, right, bottom], ends excluded; or null. */
export function boxOf(mattes, width, height, who) {
  let box = null;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      if (mattes[row * width + column] !== who) continue;
      box ??= [column, row, column + 1, row + 1];
      box[0] = Math.min(box[0], column);
      box[2] = Math.max(box[2], column + 1);
      box[3] = row + 1;
    }
  }
  return box;
}
