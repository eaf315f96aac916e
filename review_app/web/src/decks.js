// What pictures are played from: a rate, still pictures around the playhead, and a film that is sought frame by frame.

/** Frames per second as the fraction it is. */
export class Rate {
  constructor(numerator, denominator) {
    this.numerator = numerator;
    this.denominator = denominator;
  }
  get fps() {
    return this.numerator / this.denominator;
  }
  /** Seconds to the middle of a frame counted from 0: the one moment that no rounding moves to a neighbour. */
  middle(frame) {
    return ((frame + 0.5) * this.denominator) / this.numerator;
  }
  /** The frame that begins at a moment. */
  beginsAt(seconds) {
    return Math.round((seconds * this.numerator) / this.denominator);
  }
}

/** Decoded pictures by address, those that were wanted last; a picture is kept or let go as a whole. */
export class Pictures {
  constructor(limit = 96, atOnce = 4) {
    this.limit = limit;
    this.atOnce = atOnce;
    this.kept = new Map();
    this.failed = new Set();
    this.queue = [];
    this.under = new Map();
    this.came = () => {};
  }
  get(address) {
    const picture = this.kept.get(address);
    if (picture) {
      this.kept.delete(address);
      this.kept.set(address, picture);
    }
    return picture ?? null;
  }
  /** Have these ready, the first first. What was wanted before and has not begun is forgotten. */
  want(addresses) {
    this.queue = [...new Set(addresses)].filter((a) => !this.kept.has(a) && !this.under.has(a) && !this.failed.has(a));
    this.limit = Math.max(this.limit, Math.min(240, addresses.length + 8));
    this.begin();
  }
  load(address) {
    const kept = this.get(address);
    if (kept) return Promise.resolve(kept);
    return this.under.get(address) ?? this.fetch(address);
  }
  begin() {
    while (this.under.size < this.atOnce && this.queue.length) this.fetch(this.queue.shift()).catch(() => {});
  }
  fetch(address) {
    const coming = (async () => {
      try {
        const answer = await fetch(address);
        if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
        const picture = await createImageBitmap(await answer.blob());
        this.kept.set(address, picture);
        while (this.kept.size > this.limit) {
          const [oldest, closing] = this.kept.entries().next().value;
          this.kept.delete(oldest);
          closing.close();
        }
        return picture;
      } catch (error) {
        this.failed.add(address);
        throw error;
      } finally {
        this.under.delete(address);
        this.begin();
      }
    })();
    this.under.set(address, coming);
    coming.then(() => this.came(address), () => this.came(address));
    return coming;
  }
  close() {
    this.queue = [];
    for (const picture of this.kept.values()) picture.close();
    this.kept.clear();
  }
}

const PATIENCE_MS = 20000;
/** A browser that drops a seek (now and then, when the machine is busy) is asked again. */
const ASK_AGAIN_MS = 2000;

const nextPicture = () => new Promise(requestAnimationFrame);

/** A film whose every frame is a key frame. Frames are counted from 0. */
export class VideoDeck {
  constructor(video, rate) {
    this.video = video;
    this.rate = rate;
    this.shown = -1;
    this.wanted = -1;
    this.seeking = null;
    this.onframe = () => {};
    this.ontold = () => {};
    this.playing = false;
    this.told = -1;
    this.watch();
  }
  ready() {
    if (this.video.readyState >= 1) return Promise.resolve();
    return new Promise((done, failed) => {
      this.video.addEventListener("loadedmetadata", done, { once: true });
      this.video.addEventListener("error", () => failed(new Error("the film can't be played")), { once: true });
    });
  }
  /** Show a frame. Wishes that come while one is sought are met by the last of them. Resolves with the frame shown. */
  seek(frame) {
    this.wanted = frame;
    this.seeking ??= this.reach().finally(() => (this.seeking = null));
    return this.seeking;
  }
  async reach() {
    await this.ready();
    while (this.shown !== this.wanted) {
      const frame = this.wanted;
      await this.present(frame);
      this.shown = frame;
    }
    return this.shown;
  }
  /**
   * Seek, and wait until the frame itself has been told to be on screen: "seeked" alone comes too early now and then.
   * A seek to the frame that is on screen already puts nothing new there, and nothing is told.
   */
  present(frame) {
    return new Promise((done, failed) => {
      let over = false;
      const settled = () => {
        if (over) return;
        over = true;
        clearInterval(again);
        clearTimeout(late);
        this.video.removeEventListener("seeked", sought);
        this.ontold = () => {};
        done();
      };
      const sought = async () => {
        // Nothing is put on a screen that nobody sees.
        if (document.hidden) return settled();
        await nextPicture();
        await nextPicture();
        if (this.told === frame && !this.video.seeking) settled();
      };
      const ask = () => (this.video.currentTime = this.rate.middle(frame));
      const again = setInterval(ask, ASK_AGAIN_MS);
      const late = setTimeout(() => {
        failed(new Error(`frame ${frame} does not come`));
        settled();
      }, PATIENCE_MS);
      this.ontold = (told) => told === frame && settled();
      this.video.addEventListener("seeked", sought);
      ask();
    });
  }
  /** Every frame that is put on screen, told as it is. */
  watch() {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      this.told = this.rate.beginsAt(mediaTime);
      this.ontold(this.told);
      if (this.playing) {
        this.shown = this.told;
        this.onframe(this.shown);
      }
      this.watch();
    });
  }
  async play(speed) {
    this.playing = true;
    this.video.playbackRate = speed;
    await this.video.play();
  }
  pause() {
    this.playing = false;
    this.video.pause();
    // Where a film stops is between two of its shown frames: the next wish seeks in any case.
    const frame = this.shown;
    this.shown = -1;
    return frame;
  }
}
