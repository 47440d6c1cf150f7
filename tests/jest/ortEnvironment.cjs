const { TestEnvironment } = require('jest-environment-node');

/**
 * onnxruntime-node checks tensors with `instanceof` against the typed arrays of the process's own realm, which inside jest's
 * context are other constructors (microsoft/onnxruntime#16622); so tests get the process's.
 */
module.exports = class OrtEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    const shared = [
      'ArrayBuffer',
      'SharedArrayBuffer',
      'Float32Array',
      'Float64Array',
      'Int8Array',
      'Uint8Array',
      'Int16Array',
      'Uint16Array',
      'Int32Array',
      'Uint32Array',
      'BigInt64Array',
      'BigUint64Array',
    ];
    for (const name of shared) this.global[name] = globalThis[name];
  }
};
