import { type ParameterSpec, parameterSpec } from '@maestro/tensors';
import type { VitConfig } from './geometry.ts';

/** The encoder's parameters in the order the data meets them, by their names in the reference implementation's checkpoints. */
export function encoderParameters({ embedDim, depth, channels, patchSize, mlpRatio }: VitConfig): ParameterSpec[] {
  return [
    parameterSpec('cls_token', [1, 1, embedDim]),
    parameterSpec('patch_embed.proj.weight', [embedDim, channels, patchSize, patchSize]),
    parameterSpec('patch_embed.proj.bias', [embedDim]),
    ...blocksParameters('blocks', { depth, width: embedDim, mlpRatio }),
    ...normParameters('norm', embedDim),
  ];
}

/** Parameters of the blocks `name`.0, `name`.1, ... */
export function blocksParameters(
  name: string,
  { depth, width, mlpRatio }: { readonly depth: number; readonly width: number; readonly mlpRatio: number },
): ParameterSpec[] {
  return Array.from({ length: depth }, (_, i) => blockParameters(`${name}.${i}`, width, mlpRatio)).flat();
}

function blockParameters(name: string, width: number, mlpRatio: number): ParameterSpec[] {
  const hidden = width * mlpRatio;
  return [
    ...normParameters(`${name}.norm1`, width),
    ...linearParameters(`${name}.attn.qkv`, width, 3 * width),
    ...linearParameters(`${name}.attn.proj`, width, width),
    ...normParameters(`${name}.norm2`, width),
    ...linearParameters(`${name}.mlp.fc1`, width, hidden),
    ...linearParameters(`${name}.mlp.fc2`, hidden, width),
  ];
}

/** Weight and bias of the layer norm `name`. */
export function normParameters(name: string, width: number): ParameterSpec[] {
  return [parameterSpec(`${name}.weight`, [width]), parameterSpec(`${name}.bias`, [width])];
}

/** Weight [outputs, inputs] and bias of the linear layer `name`. */
export function linearParameters(name: string, inputs: number, outputs: number): ParameterSpec[] {
  return [parameterSpec(`${name}.weight`, [outputs, inputs]), parameterSpec(`${name}.bias`, [outputs])];
}
