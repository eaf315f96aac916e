// The previz viewer, as a module of its own: pages that do not show it do not load three.js.
export { GROUPS, KEYS, open, signOf } from "./previz/index.js";
