/**
 * Surfaces under work light: a bright sky, a dim floor and one lamp high behind the camera's left shoulder. They are lit
 * at their corners and in display space, which looks the same and is a third of the work where a machine has no GPU: a
 * power of a product is the product of the powers, so light may be multiplied after encoding if it is encoded too.
 */

import { Color, DoubleSide, LinearSRGBColorSpace, ShaderMaterial, UniformsLib, UniformsUtils, Vector3 } from "three";

const SKY = new Color(0.72, 0.72, 0.72);
const FLOOR = new Color(0.2, 0.2, 0.2);
const LAMP = new Color(0.62, 0.62, 0.62);
const LAMP_FROM = new Vector3(-3, -5, 8).normalize();

/** color is scene-linear, map a texture whose values are left encoded, or null. */
export function underWorkLight({ name = "", color, map = null, alphaTest = 0 }) {
  const material = new ShaderMaterial({
    name,
    fog: true,
    toneMapped: false,
    side: DoubleSide,
    defines: { ...(map ? { HAS_MAP: "" } : {}), ...(alphaTest > 0 ? { CUT_OUT: "" } : {}) },
    uniforms: {
      ...UniformsUtils.clone(UniformsLib.fog),
      color: { value: encoded(color) },
      glow: { value: new Color(0, 0, 0) },
      map: { value: map },
      cutoff: { value: alphaTest },
      sky: { value: SKY },
      ground: { value: FLOOR },
      lamp: { value: LAMP },
      lampFrom: { value: LAMP_FROM },
    },
    vertexShader: `
      #include <common>
      #include <skinning_pars_vertex>
      #include <fog_pars_vertex>
      uniform vec3 sky;
      uniform vec3 ground;
      uniform vec3 lamp;
      uniform vec3 lampFrom;
      varying vec3 lit;
      #ifdef HAS_MAP
        varying vec2 onMap;
      #endif
      void main() {
        #include <beginnormal_vertex>
        #include <skinbase_vertex>
        #include <skinnormal_vertex>
        #include <begin_vertex>
        #include <skinning_vertex>
        #include <project_vertex>
        #include <fog_vertex>
        vec3 up = normalize(mat3(modelMatrix) * objectNormal);
        vec3 light = mix(ground, sky, 0.5 + 0.5 * up.z) + lamp * max(dot(up, lampFrom), 0.0);
        lit = pow(light, vec3(1.0 / 2.2));
        #ifdef HAS_MAP
          onMap = uv;
        #endif
      }`,
    fragmentShader: `
      #include <common>
      #include <fog_pars_fragment>
      uniform vec3 color;
      uniform vec3 glow;
      uniform float cutoff;
      varying vec3 lit;
      #ifdef HAS_MAP
        uniform sampler2D map;
        varying vec2 onMap;
      #endif
      void main() {
        vec4 base = vec4(color, 1.0);
        #ifdef HAS_MAP
          base *= texture2D(map, onMap);
        #endif
        #ifdef CUT_OUT
          if (base.a < cutoff) discard;
        #endif
        gl_FragColor = vec4(base.rgb * lit + glow, 1.0);
        #include <fog_fragment>
      }`,
  });
  return material;
}

/** A scene-linear colour as a display has it, its numbers left as they are from then on. */
export function encoded(color) {
  const [red, green, blue] = color.clone().convertLinearToSRGB().toArray();
  return new Color().setRGB(red, green, blue, LinearSRGBColorSpace);
}
