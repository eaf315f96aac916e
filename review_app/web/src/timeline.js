// The timeline: exposures, dialogue, notes, the range that plays and the playhead. It is a slider to those who can't see it.

const HEIGHT = 56;

export class Timeline {
  constructor(element, player) {
    this.element = element;
    this.player = player;
    this.canvas = element.querySelector("canvas");
    this.still = element.ownerDocument.createElement("canvas");
    this.coming = 0;
    element.addEventListener("pointerdown", (event) => this.grab(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }
  grab(event) {
    const seek = (e) => {
      const box = this.element.getBoundingClientRect();
      const share = Math.max(0, Math.min(0.999999, (e.clientX - box.left) / box.width));
      this.player.seek(Math.floor(share * this.player.reel.length));
    };
    seek(event);
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", seek);
    const up = () => this.element.removeEventListener("pointermove", seek);
    this.element.addEventListener("pointerup", up, { once: true });
    this.element.addEventListener("pointercancel", up, { once: true });
  }
  /** Say at once where the player is, and draw it with the next picture of the screen, however often it is asked. */
  draw() {
    this.tell();
    this.coming ||= requestAnimationFrame(() => {
      this.coming = 0;
      this.paint();
    });
  }
  paint() {
    const { reel, place, range, marks } = this.player;
    const width = this.element.clientWidth;
    const dense = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * dense)) {
      this.canvas.width = Math.round(width * dense);
      this.canvas.height = Math.round(HEIGHT * dense);
    }
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.element);
    const color = (name) => style.getPropertyValue(name).trim();
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const x = (p) => (p / reel.length) * width;
    this.keepStill(reel, width, dense, x, color);
    if (this.still.width) context.drawImage(this.still, 0, 0, width, HEIGHT);
    context.fillStyle = color("--outside");
    if (range[0] > 0) context.fillRect(0, 0, x(range[0]), HEIGHT);
    if (range[1] < reel.length - 1) context.fillRect(x(range[1] + 1), 0, width, HEIGHT);
    for (const mark of marks()) {
      context.fillStyle = color(mark.kind === "note" ? "--note" : "--line-mark");
      context.fillRect(Math.round(x(mark.place)), 2, 2, 10);
    }
    context.fillStyle = color("--playhead");
    context.globalAlpha = 0.3;
    context.fillRect(x(place), 18, x(1), 24);
    context.globalAlpha = 1;
    context.fillRect(Math.round(x(place)), 0, 2, HEIGHT);
  }
  /** The exposures of a long reel are thousands: they are drawn once, until the reel, the size or the theme is another. */
  keepStill(reel, width, dense, x, color) {
    const theme = document.documentElement.dataset.theme ?? "";
    const [drawn, ...how] = this.drawn ?? [];
    if (drawn === reel && how.join() === [width, dense, theme].join()) return;
    this.drawn = [reel, width, dense, theme];
    this.still.width = this.canvas.width;
    this.still.height = this.canvas.height;
    const context = this.still.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    this.drawExposures(context, reel, x, color);
  }
  drawExposures(context, reel, x, color) {
    const begin = reel.exposures();
    const shades = [color("--exposure"), color("--exposure-odd")];
    begin.forEach((place, number) => {
      const end = begin[number + 1] ?? reel.length;
      const gap = x(end) - x(place) > 3 ? 1 : 0;
      context.fillStyle = shades[number % 2];
      context.fillRect(x(place), 18, x(end) - x(place) - gap, 24);
    });
    context.fillStyle = color("--clip");
    for (const clip of reel.clips) context.fillRect(Math.round(x(clip.start)), 14, 1, 34);
    context.fillStyle = color("--quiet");
    context.font = "10px system-ui, sans-serif";
    let free = -1;
    for (const clip of reel.clips) {
      const label = reel.clips.length > 1 ? clip.shot : `${clip.first}`;
      if (x(clip.start) > free) {
        context.fillText(label, x(clip.start) + 3, 52);
        free = x(clip.start) + context.measureText(label).width + 8;
      }
    }
  }
  tell() {
    const { clip, frame } = this.player.reel.at(this.player.place);
    const told = {
      "aria-valuemin": 1001, "aria-valuemax": 1000 + this.player.reel.length,
      "aria-valuenow": 1001 + this.player.place, "aria-valuetext": `${clip.shot} frame ${frame}`,
    };
    for (const [name, value] of Object.entries(told)) this.element.setAttribute(name, value);
  }
}
