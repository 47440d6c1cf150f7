/**
 * ONNX Runtime 1.29 tells its maker about its use on Linux too: it keeps an id of the machine in `~/.cache/Microsoft`, and sends from a
 * thread of its own. It reads this variable when it is loaded, so this module comes before all that load it. Whoever wants to take part
 * sets it to `0`.
 */
process.env['ORT_DISABLE_TELEMETRY'] ||= '1';

export {};
