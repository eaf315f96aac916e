/** The exposure sheet: every frame of the shot, which pose is on it and for how long, the keys, the camera's moves. */

const RULER = 16;
const ROW = 15;
const NAMES = 76;
const INK = { ground: "#242424", line: "#3a3a3a", text: "#b4b4b4", shot: "#8e8e8e", held: "#5c5c5c", key: "#e2e2e2", changed: "#f0a030", now: "#ffffff" };
const FONT = "11px system-ui, sans-serif";

export class Sheet {
  constructor(canvas, shot, seek) {
    this.canvas = canvas;
    this.shot = shot;
    this.rows = 1 + shot.puppets.length + (shot.camera.moves.length > 0 ? 1 : 0);
    this.height = RULER + this.rows * ROW + 4;
    canvas.style.height = `${this.height}px`;
    this.drag = (event) => {
      if (event.buttons & 1) seek(this.frameAt(event.offsetX));
    };
    this.grab = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag(event);
    };
    canvas.addEventListener("pointerdown", this.grab);
    canvas.addEventListener("pointermove", this.drag);
  }

  get wide() {
    return (this.width - NAMES - 8) / (this.shot.lastFrame - this.shot.firstFrame + 1);
  }

  frameAt(x) {
    return this.shot.clamped(Math.floor((x - NAMES) / this.wide) + this.shot.firstFrame);
  }

  xOf(frame) {
    return NAMES + (frame - this.shot.firstFrame) * this.wide;
  }

  /** proposed: of each puppet, the frames of keys that a proposal changes. */
  draw(frame, proposed) {
    const { canvas, shot } = this;
    this.width = canvas.clientWidth;
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(this.width * ratio);
    canvas.height = Math.round(this.height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = FONT;
    pen.textBaseline = "middle";
    pen.fillStyle = INK.ground;
    pen.fillRect(0, 0, this.width, this.height);
    this.ruler(pen);
    this.name(pen, 0, "Exposures");
    const current = shot.exposureAt(frame);
    shot.exposures.forEach((exposure, number) => this.exposure(pen, exposure, number === current));
    shot.puppets.forEach((puppet, number) => this.keys(pen, puppet, number + 1, proposed.get(puppet.name) ?? []));
    if (shot.camera.moves.length > 0) this.moves(pen, this.rows - 1);
    const x = this.xOf(frame);
    pen.fillStyle = INK.now;
    pen.fillRect(x + this.wide / 2 - 0.75, 0, 1.5, this.height);
  }

  ruler(pen) {
    const step = [1, 2, 4, 5, 8, 10, 20, 24, 48, 100, 200, 500, 1000].find((one) => one * this.wide > 38) ?? 5000;
    pen.fillStyle = INK.text;
    for (let frame = this.shot.firstFrame; frame <= this.shot.lastFrame; frame += step) {
      pen.fillText(String(frame), this.xOf(frame) + 2, RULER / 2);
      pen.fillRect(this.xOf(frame), 2, 1, RULER - 4);
    }
  }

  name(pen, row, text) {
    pen.fillStyle = INK.text;
    pen.fillText(fitted(pen, text, NAMES - 10), 6, RULER + (row + 0.5) * ROW);
    pen.fillStyle = INK.line;
    pen.fillRect(0, RULER + (row + 1) * ROW, this.width, 1);
  }

  exposure(pen, { frame, held_frames }, now) {
    const [x, y, wide] = [this.xOf(frame), RULER + 2, held_frames * this.wide];
    pen.fillStyle = now ? INK.changed : INK.held;
    pen.fillRect(x + 0.5, y + ROW / 2 - 2, Math.max(wide - 1, 1), 3);
    pen.fillStyle = now ? INK.changed : INK.shot;
    pen.fillRect(x + 0.5, y, Math.max(Math.min(this.wide - 1, 9), 1.5), ROW - 4);
  }

  keys(pen, puppet, row, proposed) {
    this.name(pen, row, puppet.title);
    for (const { frame } of puppet.spots.slice(1)) {
      pen.fillStyle = proposed.includes(frame) ? INK.changed : INK.key;
      const [x, y] = [this.xOf(frame) + this.wide / 2, RULER + (row + 0.5) * ROW];
      pen.beginPath();
      for (const [across, down] of [[0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]]) pen.lineTo(x + across, y + down);
      pen.fill();
    }
  }

  moves(pen, row) {
    this.name(pen, row, "Camera");
    for (const { kind, amount, first_frame, last_frame } of this.shot.camera.moves) {
      const [x, end, y] = [this.xOf(first_frame), this.xOf(last_frame + 1), RULER + row * ROW + 2];
      pen.fillStyle = INK.held;
      pen.fillRect(x + 0.5, y, Math.max(end - x - 1, 1), ROW - 4);
      pen.fillStyle = INK.key;
      pen.fillText(fitted(pen, `${kind.replaceAll("_", " ")} ${amount}`, end - x - 8), x + 4, y + ROW / 2 - 2);
    }
  }

  dispose() {
    this.canvas.removeEventListener("pointerdown", this.grab);
    this.canvas.removeEventListener("pointermove", this.drag);
  }
}

function fitted(pen, text, wide) {
  if (pen.measureText(text).width <= wide) return text;
  let short = text;
  while (short.length > 1 && pen.measureText(`${short}…`).width > wide) short = short.slice(0, -1);
  return wide < 14 ? "" : `${short}…`;
}
