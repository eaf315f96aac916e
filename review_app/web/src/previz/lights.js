/** The shot's lights. */

import {
  AmbientLight,
  Color,
  DirectionalLight,
  Group,
  LinearSRGBColorSpace,
  PointLight,
  SpotLight,
  Vector3,
} from "three";
import { at } from "./shot.js";
import { fromRows, radians } from "./space.js";

const SHADOWS = 4;
const SHADOW_PX = 1024;
/** Half of the angle that a flat light shines into: nearly all of it, and still narrow enough for one map of shadows. */
const FLAT_ANGLE = radians(75);

export class Lights {
  constructor(lights, ambient) {
    this.lights = lights.map((told) => ({ told, light: lightOf(told) }));
    this.group = new Group();
    for (const { light } of this.lights) this.group.add(light, ...(light.target ? [light.target] : []));
    // A surface under light of radiance L from everywhere gives albedo x L; three.js divides ambient light by pi.
    this.group.add(new AmbientLight(linear(ambient), Math.PI));
    this.group.traverse((node) => node.layers.enableAll());
  }

  /** The strongest lights throw shadows. */
  shadows(on) {
    const strongest = this.lights
      .filter(({ light }) => light.shadow && !light.isPointLight)
      .sort((one, other) => Math.max(...other.told.watts) - Math.max(...one.told.watts))
      .slice(0, SHADOWS);
    for (const { light } of this.lights) light.castShadow = on && strongest.some((one) => one.light === light);
  }

  dispose() {
    for (const { light } of this.lights) light.dispose();
  }

  /** Stand and shine as at an exposure. */
  expose(exposure) {
    for (const { told, light } of this.lights) {
      const matrix = fromRows(at(told.matrices, exposure));
      light.position.setFromMatrixPosition(matrix);
      light.target?.position.copy(light.position).sub(new Vector3().setFromMatrixColumn(matrix, 2));
      light.intensity = intensityOf(told.kind, at(told.watts, exposure));
    }
  }
}

/** What a light of so many radiant watts is in three.js: radiant intensity in W/sr, of a distant light W/m2. */
function intensityOf(kind, watts) {
  if (kind === "distant") return watts;
  // Blender's area lights shine a quarter of their watts per steradian straight ahead; its spheres to all sides alike.
  return kind === "sphere" ? watts / (4 * Math.PI) : watts / 4;
}

function lightOf(told) {
  const color = linear(told.color);
  if (told.kind === "distant") return shadowed(new DirectionalLight(color));
  if (told.kind === "sphere") return new PointLight(color);
  // Falls off to its sides nearly as the cosine, as a flat light does.
  return shadowed(new SpotLight(color, 1, 0, FLAT_ANGLE, 1, 2));
}

function shadowed(light) {
  light.shadow.mapSize.set(SHADOW_PX, SHADOW_PX);
  light.shadow.bias = -0.001;
  light.shadow.normalBias = 0.03;
  light.shadow.camera.near = 0.1;
  light.shadow.camera.far = 40;
  if (light.isDirectionalLight) Object.assign(light.shadow.camera, { left: -6, right: 6, top: 6, bottom: -6 });
  return light;
}

function linear([red, green, blue]) {
  return new Color().setRGB(red, green, blue, LinearSRGBColorSpace);
}
