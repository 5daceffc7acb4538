// A model in a WebAssembly module: weights and photos go in as bytes, embeddings come out as Float32Array. For browsers,
// Node, Deno and Bun alike.

export class Clip {
  #module;

  // `module` is the compiled module (`WebAssembly.compile`), `weights` the bytes of a .clippie file (Uint8Array).
  static async open(module, weights) {
    const clip = new Clip();
    clip.#module = (await WebAssembly.instantiate(module, {})).exports;
    clip.#call("open", weights);
    return clip;
  }

  // The embedding of a sentence, of length one.
  text(sentence) {
    return this.#row("text", new TextEncoder().encode(sentence));
  }

  // The embedding of a photo, given as the bytes of its file, of length one.
  image(bytes) {
    return this.#row("image", bytes);
  }

  // Components are little-endian, as in every WebAssembly memory; they are copied, because memory moves when it grows.
  #row(name, bytes) {
    this.#call(name, bytes);
    return new Float32Array(this.#output().buffer);
  }

  #call(name, bytes) {
    const address = this.#module.clip_input(bytes.length);
    if (address === 0) throw new Error(`there is no memory for ${bytes.length} bytes`);
    new Uint8Array(this.#module.memory.buffer, address, bytes.length).set(bytes);
    let length;
    try {
      length = this.#module[`clip_${name}`]();
    } catch (trap) {
      // The module is of no use any more, but it can still be read.
      throw new Error(`the module ended: ${this.#message()}`, { cause: trap });
    }
    if (length === 0) throw new Error(this.#message());
  }

  #message() {
    return new TextDecoder().decode(this.#output());
  }

  #output() {
    const { memory, clip_output, clip_output_length } = this.#module;
    return new Uint8Array(memory.buffer, clip_output(), clip_output_length()).slice();
  }
}

// The cosine of the angle between two embeddings.
export function cosine(a, b) {
  return a.reduce((sum, component, index) => sum + component * b[index], 0);
}
