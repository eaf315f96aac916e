/**
 * What every key does while the viewer has the focus. The app merges this table into its own: its help, its docs, its
 * test. The viewer stops these keys from going further; all others it leaves alone.
 *
 * keys: KeyboardEvent.key in small letters, any of them. shift: whether Shift must be held, must not, or (null) either.
 * held: the key works for as long as it is down.
 */
export const KEYS = [
  row("walk", ["w", "arrowup"], "ahead", "Walk ahead; through the camera while operating: dolly in", { held: true, shift: null }),
  row("walk", ["s", "arrowdown"], "back", "Walk back; dolly out", { held: true, shift: null }),
  row("walk", ["a"], "left", "Step to the left; truck left", { held: true, shift: null }),
  row("walk", ["d"], "right", "Step to the right; truck right", { held: true, shift: null }),
  row("walk", ["arrowleft"], "turn-left", "Turn to the left; pan left", { held: true, shift: null }),
  row("walk", ["arrowright"], "turn-right", "Turn to the right; pan right", { held: true, shift: null }),
  row("walk", ["e"], "up", "Rise; pedestal up (with Shift, all of these go faster)", { held: true, shift: null }),
  row("walk", ["q"], "down", "Sink; pedestal down", { held: true, shift: null }),
  row("view", ["c"], "view:camera", "Look through the shot's camera"),
  row("view", ["f"], "view:free", "Look around freely"),
  row("view", ["t"], "view:plan", "Look down on the blocking plan"),
  row("view", ["z"], "frame", "Go close to what is selected, or to the puppets"),
  row("time", [" "], "play", "Play and stop"),
  row("time", [","], "frame:-1", "A frame back"),
  row("time", ["."], "frame:+1", "A frame on"),
  row("time", ["["], "exposure:-1", "To the exposure before"),
  row("time", ["]"], "exposure:+1", "To the next exposure"),
  row("time", ["pageup"], "key:-1", "To the key before, of whoever is selected"),
  row("time", ["pagedown"], "key:+1", "To the next key"),
  row("time", ["home"], "first", "To the first frame"),
  row("time", ["end"], "last", "To the last frame"),
  row("show", ["v"], "surface", "Textured, clay, wire"),
  row("show", ["l"], "light", "Work light or the shot's own light"),
  row("show", ["9"], "stops:-0.5", "The shot's light half a stop darker"),
  row("show", ["0"], "stops:+0.5", "Half a stop brighter"),
  row("show", ["h"], "toggle:shadows", "Shadows"),
  row("show", ["b"], "toggle:guides", "Safe areas, thirds and centre in the film gate"),
  row("show", ["i"], "toggle:inset", "The camera's picture in the corner"),
  row("show", ["k"], "toggle:rods", "Height rods beside the puppets"),
  row("show", ["u"], "toggle:lights", "Signs of the lights"),
  row("show", ["x"], "toggle:cutaway", "Walls that stand in the way are cut away"),
  row("hands", ["n"], "select:next", "Select the next: camera, puppets"),
  row("hands", ["g"], "tool:move", "Move what is selected over the floor"),
  row("hands", ["r"], "tool:turn", "Turn a puppet; aim the camera"),
  row("hands", ["o"], "toggle:operate", "Operate the camera by mouse and keys while looking through it"),
  row("hands", ["m"], "tool:measure", "Measure between two places"),
  row("hands", ["-"], "lens:-1", "A shorter lens (camera selected or operated)"),
  row("hands", ["=", "+"], "lens:+1", "A longer lens", { shift: null }),
  row("hands", ["backspace"], "take-back", "Take the last proposed change back"),
  row("hands", ["escape"], "escape", "Let go: of a measure, a tool, what is selected"),
];

export const GROUPS = { walk: "Walk", view: "Look", time: "Frames", show: "Show", hands: "Move and measure" };

const SIGNS = { " ": "Space", arrowup: "↑", arrowdown: "↓", arrowleft: "←", arrowright: "→", pageup: "Page up", pagedown: "Page down", backspace: "Backspace", escape: "Esc", home: "Home", end: "End" };

function row(group, keys, action, does, { shift = false, held = false } = {}) {
  return Object.freeze({ island: "previz", group, keys, action, does, shift, held });
}

/** The row that a key event means, or undefined. */
export function rowOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const key = event.key.toLowerCase();
  return KEYS.find((row) => row.keys.includes(key) && (row.shift === null || row.shift === event.shiftKey));
}

/** A row's keys as people read them. */
export function signOf(row) {
  return row.keys.map((key) => SIGNS[key] ?? key.toUpperCase()).join(" or ");
}

export function signFor(action) {
  return signOf(KEYS.find((row) => row.action === action));
}
