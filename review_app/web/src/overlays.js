// What is drawn over a picture: the puppets' joints, and the exposures before and after.

const LIMBS = [
  [1, 2], [2, 3], [3, 4], [1, 5], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10],
  [1, 11], [11, 12], [12, 13], [1, 0], [0, 14], [14, 16], [0, 15], [15, 17],
];
const hue = (number, of) => `hsl(${Math.round((number / of) * 331)} 100% 55%)`;

/** Every puppet's skeleton at a frame. pose: the keypoints document of the cameras department. */
export function drawPose(context, pose, frame, width) {
  const exposed = Object.keys(pose.frames).map(Number).filter((f) => f <= frame).sort((a, b) => b - a)[0];
  const puppets = pose.frames[exposed];
  if (!puppets) return false;
  const scale = width / pose.width;
  const at = (point) => [point[0] * scale, point[1] * scale];
  const known = (point) => point[0] !== null && point[1] !== null;
  context.lineWidth = Math.max(2, width / 320);
  for (const points of Object.values(puppets)) {
    LIMBS.forEach(([one, other], number) => {
      const [a, b] = [points[one], points[other]];
      if (!known(a) || !known(b) || !(a[2] || b[2])) return;
      context.strokeStyle = hue(number, LIMBS.length);
      context.beginPath();
      context.moveTo(...at(a));
      context.lineTo(...at(b));
      context.stroke();
    });
    points.forEach((point, number) => {
      if (!known(point) || !point[2]) return;
      context.fillStyle = hue(number, points.length);
      context.beginPath();
      context.arc(...at(point), context.lineWidth * 1.4, 0, 7);
      context.fill();
    });
  }
  return true;
}

/** Pictures over what is there, each as strong as the other, so that what stands still stays sharp. */
export function drawOnion(context, pictures, width, height) {
  for (const picture of pictures) {
    context.globalAlpha = 0.33;
    context.drawImage(picture, 0, 0, width, height);
  }
  context.globalAlpha = 1;
}
