/**
 * Loading glb models. Their pictures are decoded beside the main thread, no larger than they are looked at, and without
 * blob URLs, so that a page may forbid those. A model is whole before its pictures are: `pictures` follows.
 */

import { LinearMipmapLinearFilter, LinearMipmapNearestFilter, Texture } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

/** Load a glb. largest: the longest side of its pictures in pixels. coarse: quicker to draw
 * where there is no GPU. Returns { gltf, pictures: Promise<Texture[]> }. */
export async function loadModel(url, { largest, coarse, signal }) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`A model can't be fetched: ${answer.status} at ${url}.`);
  const bytes = await answer.arrayBuffer();
  const loader = new GLTFLoader();
  let pictures;
  loader.register((parser) => {
    pictures = new Pictures(parser, largest, coarse);
    return pictures;
  });
  const gltf = await loader.parseAsync(bytes, "");
  return { gltf, pictures: pictures.all() };
}

class Pictures {
  name = "film_pictures";

  constructor(parser, largest, coarse) {
    this.minFilter = coarse ? LinearMipmapNearestFilter : LinearMipmapLinearFilter;
    this.parser = parser;
    this.largest = largest;
    this.textures = new Map();
    this.made = [];
  }

  /** GLTFLoader asks its plugins for textures first. The texture is empty until its picture is decoded. */
  loadTexture(index) {
    const { textures, images, samplers = [] } = this.parser.json;
    const { source, sampler } = textures[index];
    const image = images?.[source];
    if (image?.bufferView === undefined) return null;
    const both = `${source} ${sampler}`;
    if (!this.textures.has(both)) this.textures.set(both, this.hung(image, samplers[sampler]));
    return Promise.resolve(this.textures.get(both));
  }

  hung(image, sampler) {
    const texture = new Texture();
    Object.assign(texture, { flipY: false, minFilter: this.minFilter, name: image.name ?? "", ...wrapping(sampler) });
    this.made.push(
      this.decode(image).then((bitmap) => {
        texture.image = bitmap;
        texture.needsUpdate = true;
        return texture;
      }),
    );
    return texture;
  }

  async decode(image) {
    const bytes = await this.parser.getDependency("bufferView", image.bufferView);
    const blob = new Blob([bytes], { type: image.mimeType });
    const plain = { imageOrientation: "none", premultiplyAlpha: "none", colorSpaceConversion: "none" };
    const { width, height } = sizeOfPng(bytes) ?? (await createImageBitmap(blob));
    const scale = this.largest / Math.max(width, height);
    if (scale >= 1) return createImageBitmap(blob, plain);
    return createImageBitmap(blob, {
      ...plain,
      resizeWidth: Math.max(1, Math.round(width * scale)),
      resizeHeight: Math.max(1, Math.round(height * scale)),
      resizeQuality: "low",
    });
  }

  /** Every texture once its picture is there. One that can't be decoded fails the lot. */
  all() {
    return Promise.all(this.made);
  }
}

const WRAPS = { 33071: 1001, 33648: 1002, 10497: 1000 };

function wrapping(sampler) {
  const repeat = 10497;
  return { wrapS: WRAPS[sampler?.wrapS ?? repeat], wrapT: WRAPS[sampler?.wrapT ?? repeat] };
}

function sizeOfPng(bytes) {
  const view = new DataView(bytes.buffer ?? bytes, bytes.byteOffset ?? 0);
  if (view.byteLength < 24 || view.getUint32(0) !== 0x89504e47) return null;
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
