/** Changes with every change of a bit in any result; part of the identity of a job that runs on native operators. */
export const OPERATORS_VERSION = 2;

/** How products are taken: float32; bfloat16; or float32 from three products of bfloat16 (hi*hi + hi*lo + lo*hi). */
export const PRECISIONS = ['float32', 'float32-x3', 'bfloat16'] as const;

/** A member of {@link PRECISIONS}. */
export type Precision = (typeof PRECISIONS)[number];

/** Element types of a port: `f` float32, `b` bfloat16. */
type Ports = string;

/** An operator of the domain `maestro`, version 1. */
export interface NativeOperator {
  readonly name: string;
  /** Inputs in order, each as `name:type`, with type `f` for float32 and `b` for bfloat16. */
  readonly inputs: readonly Ports[];
  readonly outputs: readonly Ports[];
  readonly attributes: readonly string[];
}

const operator = (name: string, inputs: string, outputs: string, attributes = ''): NativeOperator => ({
  name,
  inputs: inputs.split(' '),
  outputs: outputs.split(' '),
  attributes: attributes === '' ? [] : attributes.split(' '),
});

const ATTEND = 'tokens heads from';

/** The operators whose values between layers are bfloat16; weights, their gradients and the residual stream are float32. */
const BFLOAT16: readonly NativeOperator[] = [
  operator('NormBf16', 'x:f gain:f bias:f', 'y:b stats:f', 'epsilon'),
  operator('NormGradBf16', 'dy:b x:f stats:f gain:f', 'dx:f dgain:f dbias:f'),
  operator('NormGradAddBf16', 'dy:b x:f stats:f gain:f residual:f', 'dx:f dgain:f dbias:f'),
  operator('LinearBf16', 'x:b w:f bias:f', 'y:b'),
  operator('LinearAddBf16', 'x:b w:f bias:f residual:f', 'y:f'),
  operator('LinearGeluBf16', 'x:b w:f bias:f', 'y:b slope:b'),
  operator('LinearInBf16', 'x:f w:f bias:f', 'y:f'),
  operator('LinearOutBf16', 'x:b w:f bias:f', 'y:f'),
  operator('LinearGradBf16', 'dy:b x:b w:f', 'dx:b dw:f dbias:f'),
  operator('LinearOutGradBf16', 'dy:f x:b w:f', 'dx:b dw:f dbias:f'),
  operator('LinearInGradBf16', 'dy:f x:f w:f', 'dx:f dw:f dbias:f'),
  operator('LinearGeluGradBf16', 'dy:f x:b w:f slope:b', 'du:b dw:f dbias:f'),
  operator('LinearGradWBf16', 'dy:f x:f', 'dw:f dbias:f'),
  operator('AttendBf16', 'qkv:b', 'y:b stats:f', ATTEND),
  operator('AttendGradBf16', 'dy:b qkv:b stats:f', 'dqkv:b', ATTEND),
];

const linearOperators = (suffix: string): readonly NativeOperator[] => [
  operator(`Linear${suffix}`, 'x:f w:f bias:f', 'y:f'),
  operator(`LinearAdd${suffix}`, 'x:f w:f bias:f residual:f', 'y:f'),
  operator(`LinearGelu${suffix}`, 'x:f w:f bias:f', 'y:f slope:f'),
  operator(`LinearGrad${suffix}`, 'dy:f x:f w:f', 'dx:f dw:f dbias:f'),
  operator(`LinearGeluGrad${suffix}`, 'dy:f x:f w:f slope:f', 'du:f dw:f dbias:f'),
  operator(`LinearGradW${suffix}`, 'dy:f x:f', 'dw:f dbias:f'),
];

/** The operators of `float32-x3` are those of float32, but for the linear ones. */
const FLOAT32: readonly NativeOperator[] = [
  operator('NormF32', 'x:f gain:f bias:f', 'y:f stats:f', 'epsilon'),
  operator('NormGradF32', 'dy:f x:f stats:f gain:f', 'dx:f dgain:f dbias:f'),
  operator('NormGradAddF32', 'dy:f x:f stats:f gain:f residual:f', 'dx:f dgain:f dbias:f'),
  ...linearOperators('F32'),
  operator('AttendF32', 'qkv:f', 'y:f stats:f', ATTEND),
  operator('AttendGradF32', 'dy:f qkv:f stats:f', 'dqkv:f', ATTEND),
];

/** All operators; the C table in `c/operators.c` has the same names and types, which a test holds it to. */
export const NATIVE_OPERATORS: readonly NativeOperator[] = [...BFLOAT16, ...FLOAT32, ...linearOperators('X3')];

/** What a layer asks for; the type of its ports follows from the precision. */
export type NativeLayer =
  | 'Norm'
  | 'NormGrad'
  | 'NormGradAdd'
  | 'Linear'
  | 'LinearAdd'
  | 'LinearGelu'
  | 'LinearIn'
  | 'LinearOut'
  | 'LinearGrad'
  | 'LinearOutGrad'
  | 'LinearInGrad'
  | 'LinearGeluGrad'
  | 'LinearGradW'
  | 'Attend'
  | 'AttendGrad';

/** Where all ports are float32, what goes into the bfloat16 part of a model and what comes out are ordinary linear layers. */
const PLAIN: Readonly<Partial<Record<NativeLayer, NativeLayer>>> = {
  LinearIn: 'Linear',
  LinearOut: 'Linear',
  LinearInGrad: 'LinearGrad',
  LinearOutGrad: 'LinearGrad',
};

const BY_NAME = new Map(NATIVE_OPERATORS.map((each) => [each.name, each]));

/** The operator of a layer at a precision. */
export function nativeOperator(layer: NativeLayer, precision: Precision): NativeOperator {
  if (precision === 'bfloat16') return BY_NAME.get(`${layer}Bf16`)!;
  const plain = PLAIN[layer] ?? layer;
  return BY_NAME.get(`${plain}${precision === 'float32-x3' && plain.startsWith('Linear') ? 'X3' : 'F32'}`)!;
}

/** What a worker without native operators needs. */
export const GET_OPERATORS = 'install a C compiler and run `npm run setup` there, or use an image that has the library';
