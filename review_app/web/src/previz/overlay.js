/** What lies over the picture: the film gate with its safe areas, and labels that stand at places of the set. */

import { Vector3 } from "three";

const SVG = "http://www.w3.org/2000/svg";

/** The film gate: beyond it the picture is dimmed; action safe 93 %, title safe 90 %, thirds and centre. */
export class GateOverlay {
  constructor(parent) {
    this.svg = make("svg", { class: "previz-gate", "aria-hidden": "true" }, parent);
  }

  draw(gate, [width, height], guides) {
    this.svg.replaceChildren();
    this.svg.toggleAttribute("hidden", gate === null);
    if (gate === null) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const { left, top } = gate;
    const [right, bottom] = [left + gate.width, top + gate.height];
    make("path", { class: "beyond", d: `M0 0H${width}V${height}H0ZM${left} ${top}V${bottom}H${right}V${top}Z` }, this.svg);
    make("rect", { class: "edge", ...box(gate, 1) }, this.svg);
    if (!guides) return;
    make("rect", { class: "safe", ...box(gate, 0.93) }, this.svg);
    make("rect", { class: "safe title", ...box(gate, 0.9) }, this.svg);
    const thirds = [1 / 3, 2 / 3].map((share) => {
      const [x, y] = [left + gate.width * share, top + gate.height * share];
      return `M${x} ${top}V${bottom}M${left} ${y}H${right}`;
    });
    make("path", { class: "thirds", d: thirds.join("") }, this.svg);
    const [x, y] = [left + gate.width / 2, top + gate.height / 2];
    make("path", { class: "centre", d: `M${x - 10} ${y}H${x + 10}M${x} ${y - 10}V${y + 10}` }, this.svg);
  }
}

function box({ left, top, width, height }, share) {
  const [wide, tall] = [width * share, height * share];
  return { x: left + (width - wide) / 2, y: top + (height - tall) / 2, width: wide, height: tall };
}

function make(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

/** Words that stand at places. They are kept and moved rather than made anew. */
export class Labels {
  constructor(parent) {
    this.parent = parent;
    this.spans = [];
    this.seen = new Vector3();
  }

  /** labels: { place, text, kind }, kind being one of name, small, mark, tape. */
  draw(labels, camera, [width, height]) {
    labels.forEach(({ place, text, kind }, number) => {
      const span = (this.spans[number] ??= this.made());
      const seen = this.seen.copy(place).applyMatrix4(camera.matrixWorldInverse);
      const ahead = seen.z < 0;
      seen.applyMatrix4(camera.projectionMatrix);
      const shown = ahead && Math.abs(seen.x) < 1.05 && Math.abs(seen.y) < 1.05;
      span.hidden = !shown;
      if (!shown) return;
      if (span.textContent !== text) span.textContent = text;
      span.dataset.kind = kind;
      const [x, y] = [((seen.x + 1) / 2) * width, ((1 - seen.y) / 2) * height];
      span.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    });
    for (const span of this.spans.slice(labels.length)) span.hidden = true;
  }

  made() {
    const span = document.createElement("span");
    span.className = "previz-label";
    this.parent.append(span);
    return span;
  }
}
