/** Element types of a graph, with ONNX's number for each (onnx.proto, TensorProto.DataType) and its size in bytes. */
export const DTYPES = {
  float32: { onnx: 1, sizeBytes: 4 },
  uint8: { onnx: 2, sizeBytes: 1 },
  int32: { onnx: 6, sizeBytes: 4 },
  int64: { onnx: 7, sizeBytes: 8 },
  bool: { onnx: 9, sizeBytes: 1 },
  float16: { onnx: 10, sizeBytes: 2 },
  float64: { onnx: 11, sizeBytes: 8 },
  bfloat16: { onnx: 16, sizeBytes: 2 },
} as const;

/** A key of {@link DTYPES}. */
export type DType = keyof typeof DTYPES;

/** The values of a constant, in the layout of its dtype: float16 and bfloat16 as their bits in a Uint16Array, bool as 0 or 1 in a Uint8Array. */
export type ConstantData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array;

/** True when values of `dtype` carry gradients. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** Packs numbers into the array that stores `dtype`; float16 and bfloat16 are rounded to nearest, ties to even. */
export function packNumbers(dtype: DType, values: readonly number[]): ConstantData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'float64':
      return Float64Array.from(values);
    case 'int32':
      return Int32Array.from(values);
    case 'int64':
      return BigInt64Array.from(values, (value) => BigInt(value));
    case 'uint8':
    case 'bool':
      return Uint8Array.from(values);
    case 'float16':
      return Uint16Array.from(values, float16Bits);
    case 'bfloat16':
      return Uint16Array.from(values, bfloat16Bits);
  }
}

/** Returns the IEEE 754 binary16 bits of a number (directly from float64, so it is rounded once). */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 2 ** -24)));
  const units = roundToEven(magnitude / 2 ** (exponent - 10));
  return sign | (units + (exponent + 14) * 1024);
}

/** Returns the upper half of a number's float32 bits, rounded once more. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  return (bits! + 0x7fff + ((bits! >>> 16) & 1)) >>> 16;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
