// A reel: clips one after another, and what is on screen at each of its frames. Places are counted from 0.

/** The picture of a strip at a frame of its shot: the last one made at or before it. */
export function shownAt(strip, frame) {
  const made = strip.frames;
  let low = 0;
  let high = made.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (made[middle][0] <= frame) low = middle;
    else high = middle - 1;
  }
  return made.length ? made[low][1] : "";
}

export class Reel {
  /** clips: {shot, first, last, exposures: [[frame, held]], strip} with both ends included. */
  constructor(clips) {
    this.clips = clips;
    let start = 0;
    for (const clip of clips) {
      clip.start = start;
      start += clip.last - clip.first + 1;
    }
    this.length = start;
  }
  clipAt(place) {
    return this.clips.findLast((clip) => clip.start <= place) ?? this.clips[0];
  }
  /** {clip, frame}: the clip that plays at a place, and the number of the shot's frame. */
  at(place) {
    const clip = this.clipAt(place);
    return { clip, frame: clip.first + place - clip.start };
  }
  placeOf(shot, frame) {
    const clip = this.clips.find((c) => c.shot === shot && frame >= c.first && frame <= c.last);
    return clip ? clip.start + frame - clip.first : -1;
  }
  /** Where a shot's frame plays, or the nearest one that does; 0 where the reel has no such shot. */
  nearest(shot, frame) {
    const there = this.placeOf(shot, frame);
    const clip = this.clips.find((c) => c.shot === shot);
    if (there >= 0 || !clip) return Math.max(0, there);
    return clip.start + Math.max(0, Math.min(clip.last, frame) - clip.first);
  }
  /** The places at which a new exposure begins. */
  exposures() {
    return this.clips.flatMap((clip) =>
      clip.exposures
        .filter(([frame, held]) => frame + held > clip.first && frame <= clip.last)
        .map(([frame]) => clip.start + Math.max(frame, clip.first) - clip.first),
    );
  }
}
