/** The stage: the renderer, the scene, and a picture drawn when something has changed and at no other time. */

import {
  BasicShadowMap,
  Fog,
  Group,
  NeutralToneMapping,
  NoToneMapping,
  PCFShadowMap,
  Raycaster,
  Scene,
  WebGLRenderer,
} from "three";
import { grid } from "./drawing.js";
import { clay } from "./surfaces.js";

const ROOM = 0x1c1c1c;
const SLOW_MS = 70;
const COARSEST = 0.4;
export const SET_LAYER = 1;
export const PUPPET_LAYER = 2;

export class Stage {
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.draw = draw;
    this.software = isSoftware(canvas);
    this.renderer = new WebGLRenderer({ canvas, antialias: !this.software, powerPreference: "high-performance" });
    this.clearToRoom();
    this.renderer.autoClear = false;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = this.software ? BasicShadowMap : PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.renderer.info.autoReset = false;
    // Asking the driver how compiling went makes the page wait for it.
    this.renderer.debug.checkShaderErrors = false;
    this.scene = new Scene();
    this.crew = new Group();
    this.crew.add(grid());
    this.scene.add(this.crew);
    this.clay = clay();
    this.depth = new Fog(ROOM);
    this.raycaster = new Raycaster();
    this.finest = 1;
    this.detail = 1;
    this.asked = 0;
  }

  /** The longest side that pictures are decoded to. */
  get largestPicture() {
    return this.software ? 256 : 1024;
  }

  resize(width, height) {
    this.size = [width, height];
    this.applySize();
  }

  applySize() {
    const ratio = Math.min(globalThis.devicePixelRatio || 1, this.software ? 1 : 2) * this.detail;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(...this.size, false);
    this.invalidate();
  }

  /** Ask for a new picture; however often it is asked, there is one a frame. */
  invalidate() {
    if (this.asked || this.disposed) return;
    this.asked = requestAnimationFrame((now) => {
      this.asked = 0;
      this.draw(now);
    });
  }

  /** Draw coarser while things move where the machine is slow, and finely as soon as they stand. */
  pace(milliseconds) {
    clearTimeout(this.settling);
    if (milliseconds > SLOW_MS && this.detail > COARSEST) {
      this.detail = Math.max(this.detail * 0.7, COARSEST);
      this.applySize();
    }
    this.settling = setTimeout(() => {
      if (!this.isHurried) return;
      this.detail = this.finest;
      this.applySize();
    }, 350);
  }

  /** Where there is no GPU the shot's light is worth half as many pixels each way: every one costs ten times as much. */
  drawFor(light) {
    const finest = this.software && light === "shot" ? 0.5 : 1;
    if (finest === this.finest) return;
    this.finest = this.detail = finest;
    this.applySize();
  }

  toneMap(shotLight, stops) {
    this.renderer.toneMapping = shotLight ? NeutralToneMapping : NoToneMapping;
    this.renderer.toneMappingExposure = shotLight ? 2 ** stops : 1;
  }

  clearToRoom() {
    this.renderer.setClearColor(ROOM, 1);
  }

  /** Whether pictures are drawn coarsely just now, because they are asked for faster than they come. */
  get isHurried() {
    return this.detail < this.finest;
  }

  clear() {
    const [width, height] = this.size;
    this.renderer.info.reset();
    this.renderer.setViewport(0, 0, width, height);
    this.renderer.clear();
  }

  render(camera) {
    this.renderer.render(this.scene, camera);
  }

  /** The lower the darker, so that a plan shows what is high. Undone with null. */
  deepen(views) {
    if (views === null) {
      this.scene.fog = null;
      return;
    }
    const top = views.plan.position.z;
    this.depth.near = top - views.cut;
    this.depth.far = top - views.lowest + (views.cut - views.lowest) * 1.6;
    this.scene.fog = this.depth;
  }

  /** The plan: the set as far as the cut, and the puppets whole on top of it. */
  renderPlan(views) {
    const camera = views.plan;
    camera.layers.set(SET_LAYER);
    views.planFrom(views.cut);
    this.render(camera);
    this.renderer.clearDepth();
    this.deepen(null);
    camera.layers.set(PUPPET_LAYER);
    camera.layers.enable(0);
    views.planFrom(null);
    this.render(camera);
    camera.layers.enableAll();
  }

  dispose() {
    this.disposed = true;
    cancelAnimationFrame(this.asked);
    clearTimeout(this.settling);
    for (const kind of Object.values(this.clay)) for (const material of Object.values(kind)) material.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}

/** Whether the machine draws without a GPU. */
function isSoftware() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (gl === null) throw new Error("This browser can't draw in 3D: it has no WebGL 2.");
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}
