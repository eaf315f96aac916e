/** What meshes are seen as: textured, clay or wire; and, for picking and mattes, as who they are and how far away. */

import {
  Color,
  DoubleSide,
  MeshBasicMaterial,
  MeshLambertMaterial,
  NoBlending,
  NoColorSpace,
  ShaderMaterial,
  UniformsUtils,
} from "three";
import { encoded, underWorkLight } from "./worklight.js";

export const SURFACES = ["textured", "clay", "wire"];
const CLAY = { set: 0x8a8a88, puppet: 0xb4b3b0 };
const WIRE = { set: 0x6f6f6f, puppet: 0xd8d8d6 };

/** A mesh of the set or a puppet in all the surfaces that it can have. */
export class Surface {
  constructor(mesh, kind, who) {
    this.mesh = mesh;
    this.kind = kind;
    const given = mesh.material;
    this.name = given.name;
    this.hasPicture = Boolean(given.map);
    this.glows = given.emissive.getHex() !== 0;
    this.glowColor = encoded(given.emissive);
    this.strength = this.glows ? 1 : 0;
    this.given = given;
    this.work = underWorkLight({ name: given.name, color: given.color, map: asEncoded(given.map), alphaTest: given.alphaTest });
    this.made = null;
    this.identity = identityMaterial(who);
  }

  /** The texture to bring to the GPU before the mesh can be seen textured; null for a mesh without one. */
  get picture() {
    return this.work.uniforms.map.value;
  }

  /** The surface in the shot's light, which not every visitor asks for. */
  get lit() {
    const { given } = this;
    this.made ??= new MeshLambertMaterial({
      name: given.name,
      color: given.color,
      map: given.map,
      emissive: given.emissive,
      emissiveMap: given.emissiveMap,
      emissiveIntensity: this.strength,
      alphaTest: given.alphaTest,
      side: DoubleSide,
    });
    return this.made;
  }

  /** Show the mesh in one of SURFACES, under work light or the shot's. What glows always glows; pictures are waited for in clay. */
  wear(surface, light, picturesThere, clay) {
    const waits = this.hasPicture && !picturesThere;
    if (surface === "wire") this.mesh.material = clay.wire[this.kind];
    else if (!waits && (this.glows || surface === "textured")) this.mesh.material = light === "shot" ? this.lit : this.work;
    else this.mesh.material = clay[light][this.kind];
    this.worn = this.mesh.material;
  }

  /** Shine by itself: as strongly as the film has it in the shot's light; under work light so that it is seen to. */
  glow(strength) {
    if (!this.glows) return;
    this.strength = strength;
    if (this.made) this.made.emissiveIntensity = strength;
    this.work.uniforms.glow.value.copy(this.glowColor).multiplyScalar(Math.min(strength, 1) / 2);
  }

  dispose() {
    for (const texture of [this.given.map, this.picture]) {
      texture?.dispose();
      texture?.image?.close?.();
    }
    for (const material of [this.given, this.made, this.work, this.identity]) material?.dispose();
    this.mesh.geometry.dispose();
  }
}

/** The same picture as a texture whose values are not decoded; one for each texture. */
function asEncoded(texture) {
  if (!texture) return null;
  if (!texture.userData.encoded) {
    texture.userData.encoded = texture.clone();
    texture.userData.encoded.colorSpace = NoColorSpace;
  }
  return texture.userData.encoded;
}

/** The materials that many meshes share. */
export function clay() {
  const of = (make, colors) => Object.fromEntries(Object.entries(colors).map(([kind, color]) => [kind, make(color)]));
  return {
    work: of((color) => underWorkLight({ color: new Color(color) }), CLAY),
    shot: of((color) => new MeshLambertMaterial({ color, side: DoubleSide }), CLAY),
    wire: of((color) => new MeshBasicMaterial({ color, wireframe: true, transparent: true, opacity: 0.3, depthWrite: false }), WIRE),
  };
}

/** Writes who (1 to 255) into red, and the distance along the view over its far end into green, blue and alpha. */
function identityMaterial(who) {
  return new ShaderMaterial({
    uniforms: UniformsUtils.merge([{ who: { value: who / 255 }, far: { value: 1 } }]),
    side: DoubleSide,
    blending: NoBlending,
    toneMapped: false,
    vertexShader: `
      #include <common>
      #include <skinning_pars_vertex>
      varying float away;
      void main() {
        #include <begin_vertex>
        #include <skinbase_vertex>
        #include <skinning_vertex>
        vec4 seen = modelViewMatrix * vec4(transformed, 1.0);
        away = -seen.z;
        gl_Position = projectionMatrix * seen;
      }`,
    fragmentShader: `
      uniform float who;
      uniform float far;
      varying float away;
      void main() {
        float share = clamp(away / far, 0.0, 0.9999999);
        vec3 digits = fract(share * vec3(1.0, 255.0, 65025.0));
        gl_FragColor = vec4(who, digits - vec3(digits.yz / 255.0, 0.0));
      }`,
  });
}

/** The distance that identityMaterial wrote, from bytes of green, blue and alpha. */
export function distanceFrom(green, blue, alpha, far) {
  return (green / 255 + blue / 255 / 255 + alpha / 255 / 65025) * far;
}
