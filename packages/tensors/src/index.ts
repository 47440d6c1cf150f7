export { type FlatLayout, type FlatTensor, flatLayout, type ParameterLayout } from './flatLayout.ts';
export { elementCount, type ModelParameter, type ParameterGroup, type ParameterSpec, parameterSpec } from './parameterSpec.ts';
