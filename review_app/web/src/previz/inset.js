/** The shot's own picture in a corner of another view. It is drawn anew when it has changed, and kept until then. */

import { HalfFloatType, Mesh, MeshBasicMaterial, OrthographicCamera, PerspectiveCamera, PlaneGeometry, ShaderMaterial, WebGLRenderTarget } from "three";
import { throughTheLens } from "./lens.js";
import { PUPPET_LAYER, SET_LAYER } from "./stage.js";

export class Inset {
  constructor(stage) {
    this.stage = stage;
    this.camera = new PerspectiveCamera(40, 1, 0.02, 200);
    this.camera.layers.set(SET_LAYER);
    this.camera.layers.enable(PUPPET_LAYER);
    this.target = new WebGLRenderTarget(1, 1, { type: HalfFloatType, samples: stage.software ? 0 : 4 });
    this.raw = asItIs(this.target.texture);
    this.graded = new MeshBasicMaterial({ map: this.target.texture, depthTest: false });
    this.sheet = new Mesh(new PlaneGeometry(2, 2), this.raw);
    /** Whether what is drawn is encoded for a display already, as work light is. */
    this.encoded = true;
    this.flat = new OrthographicCamera(-1, 1, 1, -1, -1, 1);
    this.drawn = "";
  }

  /** box: { left, top, width, height } in pixels. state: words that are other whenever the picture would be. */
  draw(lens, { left, top, width, height }, state) {
    const { renderer, size } = this.stage;
    const now = [lens.lens_mm, ...lens.matrix.elements, width, height, state].join();
    // Where drawing is slow the kept picture is good enough until things stand still.
    const waits = this.stage.isHurried && this.drawn !== "";
    if (now !== this.drawn && !waits) {
      this.drawn = now;
      this.target.setSize(width, height);
      throughTheLens(this.camera, lens.matrix, lens.lens_mm, lens.aperture_mm);
      renderer.setRenderTarget(this.target);
      renderer.setClearColor(0x000000, 1);
      renderer.clear();
      this.stage.render(this.camera);
      renderer.setRenderTarget(null);
      this.stage.clearToRoom();
    }
    const bottom = size[1] - top - height;
    this.sheet.material = this.encoded ? this.raw : this.graded;
    renderer.setViewport(left, bottom, width, height);
    renderer.render(this.sheet, this.flat);
    renderer.setViewport(0, 0, ...size);
  }

  dispose() {
    this.target.dispose();
    this.sheet.geometry.dispose();
    this.raw.dispose();
    this.graded.dispose();
  }
}

function asItIs(texture) {
  return new ShaderMaterial({
    depthTest: false,
    uniforms: { picture: { value: texture } },
    vertexShader: "varying vec2 on; void main() { on = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }",
    fragmentShader: "uniform sampler2D picture; varying vec2 on; void main() { gl_FragColor = texture2D(picture, on); }",
  });
}
