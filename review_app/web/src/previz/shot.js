/** The previz document (docs/schemas/previz.schema.json), asked by frame. */

export const VERSION = 1;

export class Shot {
  constructor(document) {
    if (document?.version !== VERSION) {
      throw new Error(`This viewer reads previz version ${VERSION}; the shot's is ${document?.version ?? "none"}.`);
    }
    Object.assign(this, document);
    this.frames = this.exposures.map((exposure) => exposure.frame);
  }

  get firstFrame() {
    return this.frames[0];
  }

  get lastFrame() {
    const last = this.exposures.at(-1);
    return last.frame + last.held_frames - 1;
  }

  get framesPerSecond() {
    return this.fps[0] / this.fps[1];
  }

  get aspect() {
    return this.camera.aperture_mm[0] / this.camera.aperture_mm[1];
  }

  /** The nearest whole frame that the shot has. */
  clamped(frame) {
    const whole = Number.isFinite(frame) ? Math.round(frame) : this.firstFrame;
    return Math.min(Math.max(whole, this.firstFrame), this.lastFrame);
  }

  /** Which exposure is on screen at a frame, counted from 0. */
  exposureAt(frame) {
    let low = 0;
    let high = this.frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.frames[middle] <= frame) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  puppet(name) {
    return this.puppets.find((puppet) => puppet.name === name);
  }
}

/** The value of a track at an exposure: one for each exposure, or a single one that holds for all. */
export function at(track, exposure) {
  return track.length === 1 ? track[0] : track[exposure];
}

export async function fetchShot(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`The shot's previz can't be fetched: ${answer.status} at ${url}.`);
  return new Shot(await answer.json());
}
