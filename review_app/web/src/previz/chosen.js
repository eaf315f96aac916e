/** The panel of what is selected, in words. */

import { Vector3 } from "three";
import { inWords } from "./proposals.js";
import { facingOf, facingWay } from "./space.js";
import { keyAt } from "./spots.js";

/** What the panel says of what is selected and of what is proposed; null where there is neither. */
export function chosenTold(crew) {
  const { viewer } = crew;
  const proposed = viewer.proposals.changes.map((change) => inWords(change, viewer.shot));
  const back = proposed.length > 0 ? [{ action: "take-back", text: "Take back" }] : [];
  if (viewer.chosen === null) {
    return proposed.length === 0 ? null : { title: "Changes", facts: [], does: back, proposed, refusal: "" };
  }
  const told = viewer.chosen === "camera" ? cameraTold(crew) : puppetTold(crew, viewer.shot.puppet(viewer.chosen));
  return { ...told, does: [...told.does, ...back], proposed, refusal: crew.refusal(viewer.chosen) };
}

function cameraTold(crew) {
  const { viewer } = crew;
  const { camera, size } = viewer.shot;
  const { position, target, lens_mm } = viewer.proposals.camera;
  const changed = viewer.proposals.changes.some((change) => change.kind === "camera");
  return {
    title: "Camera",
    facts: [
      ["stands", camera.framed && !changed ? `by framing: ${size}` : "by hand"],
      ["at", metres(position)],
      ["looks at", camera.target_name && !changed ? camera.target_name : metres(target)],
      ["lens", `${lens_mm} mm`],
    ],
    does: [
      { action: "lens:-1", text: "Shorter lens" },
      { action: "lens:+1", text: "Longer lens" },
      { action: "carry", text: "Carry target", pressed: crew.carries },
      ...(crew.refusal("camera") ? [{ action: "first", text: "To the first frame" }] : []),
    ],
  };
}

function puppetTold(crew, told) {
  const { viewer } = crew;
  const frame = viewer.shot.frames[viewer.exposure];
  const key = keyAt(viewer.proposals.spots.get(told.name), frame);
  const puppet = viewer.puppets.find((one) => one.name === told.name);
  const mark = puppet ? viewer.proposals.markAt(puppet.standsAt) : null;
  const ahead = puppet ? new Vector3(0, -1, 0).transformDirection(puppet.root) : facingWay(0);
  return {
    title: `${told.title}, ${told.height_m.toFixed(2)} m`,
    facts: [
      ["at", `${puppet ? metres(puppet.standsAt) : ""}${mark ? ` (${mark.name})` : ""}`],
      ["faces", `${facingOf(ahead.x, ahead.y).toFixed(0)}°`],
      ["key", `${key.frame}, ${key.pose}`],
    ],
    does: [
      { action: "key:-1", text: "Key before" },
      { action: "key:+1", text: "Next key" },
      { action: "from-here", text: `From key ${key.frame} on`, pressed: crew.fromHere },
    ],
  };
}

function metres(place) {
  return [place.x, place.y, place.z].map((value) => (value + 0).toFixed(2)).join(", ");
}
