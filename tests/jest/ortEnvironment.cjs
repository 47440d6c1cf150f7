const { TestEnvironment } = require('jest-environment-node');

/**
 * onnxruntime-node checks tensors with `instanceof` against the typed arrays of the process's own realm, which inside jest's
 * context are other constructors (microsoft/onnxruntime#16622); so tests get the process's. They also get its one copy of
 * onnxruntime-node (through onnxruntime.cjs): jest would load it anew for each test file, and at the second load the addon
 * registers its clean-up hook again, for which Node aborts the process.
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
    Object.defineProperty(this.global, 'onnxruntimeOfProcess', { get: () => require('onnxruntime-node') });
  }
};
