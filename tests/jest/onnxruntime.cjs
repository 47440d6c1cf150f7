/** What `onnxruntime-node` means inside jest: see ortEnvironment.cjs. */
module.exports = globalThis.onnxruntimeOfProcess;
