/** By whose calls ONNX Runtime is run: onnxruntime-node's, or its C API's; `auto` takes what is best for the device. */
export type Engine = 'node' | 'capi';
