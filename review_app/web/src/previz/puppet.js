/** A puppet: its glb, posed joint by joint as UsdSkel poses it. */

import { Group, Matrix4, Quaternion, Vector3 } from "three";
import { FROM_GLTF, fromRows } from "./space.js";
import { Surface } from "./surfaces.js";

export class Puppet {
  constructor(told, gltf, who) {
    this.told = told;
    this.name = told.name;
    this.group = new Group();
    this.group.name = told.name;
    this.surfaces = [];
    this.locals = new Matrix4();
    const root = gltf.scene;
    root.matrixAutoUpdate = false;
    root.matrix.copy(FROM_GLTF);
    this.group.add(root);
    this.group.updateMatrixWorld(true);
    const skinned = [];
    root.traverse((node) => {
      if (!node.isMesh) return;
      node.frustumCulled = false;
      this.surfaces.push(new Surface(node, "puppet", who));
      if (node.isSkinnedMesh) skinned.push(node);
    });
    this.joints = this.joined(skinned[0]?.skeleton);
    this.root = null;
    this.renew(told);
  }

  /** Perform as the document has it. */
  renew(told) {
    this.told = told;
    for (const { mesh } of this.surfaces) {
      mesh.visible = !told.hidden_meshes.some((name) => name === nameOf(mesh) || name === nameOf(mesh.parent));
    }
  }

  /**
   * Each joint of the document with its bone, and what lies between the two: an engine that exports bones may turn
   * their axes, and what skins the mesh is only the way from the bind to the pose.
   */
  joined(skeleton) {
    if (skeleton === undefined) throw new Error(`The model of ${this.name} has no skin, so it can't be posed.`);
    const bones = new Map(skeleton.bones.map((bone, number) => [nameOf(bone), { bone, inverse: skeleton.boneInverses[number] }]));
    const placed = new Map();
    const joints = this.told.joints.map((joint) => {
      const found = bones.get(joint.name);
      if (found === undefined) throw new Error(`The model of ${this.name} has no joint ${joint.name}.`);
      const rest = new Matrix4().multiplyMatrices(FROM_GLTF, new Matrix4().copy(found.inverse).invert());
      const between = fromRows(joint.bind).invert().multiply(rest);
      found.bone.matrixAutoUpdate = found.bone.matrixWorldAutoUpdate = false;
      const made = { name: joint.name, bone: found.bone, between, parent: placed.get(joint.parent), world: new Matrix4() };
      placed.set(joint.name, made);
      return made;
    });
    return joints;
  }

  /** Take the pose of an exposure. root: where the puppet is put instead of where the pose has it. */
  pose(exposure, root = null) {
    const { translations, rotations, scales } = this.told.poses[exposure];
    const [place, turn, scale] = [new Vector3(), new Quaternion(), new Vector3()];
    this.joints.forEach((joint, number) => {
      place.fromArray(translations, 3 * number);
      turn.fromArray(rotations, 4 * number);
      scale.fromArray(scales, 3 * number);
      this.locals.compose(place, turn, scale);
      if (joint.parent !== undefined) joint.world.multiplyMatrices(joint.parent.world, this.locals);
      else joint.world.copy(root ?? this.locals);
      joint.bone.matrixWorld.multiplyMatrices(joint.world, joint.between);
    });
    this.root = this.joints[0].world;
  }

  /** Where a joint is in the set, or null for one that the puppet lacks. */
  jointAt(name) {
    const joint = this.joints.find((joint) => joint.name === name);
    return joint === undefined ? null : new Vector3().setFromMatrixPosition(joint.world);
  }

  /** The height of the eyes above the floor that the puppet stands on, or null where it has none. */
  get eyesUp() {
    const eyes = ["eye_left", "eye_right"].map((eye) => this.jointAt(eye));
    if (eyes.includes(null)) return null;
    return (eyes[0].z + eyes[1].z) / 2 - this.standsAt.z;
  }

  get standsAt() {
    return new Vector3().setFromMatrixPosition(this.root);
  }

  dispose() {
    for (const surface of this.surfaces) surface.dispose();
  }
}

/** A node's name as the file has it: the loader may have changed it. */
export function nameOf(node) {
  return node.userData.name ?? node.name;
}
