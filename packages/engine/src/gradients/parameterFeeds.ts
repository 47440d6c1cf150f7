import type { SegmentedFloats } from '@maestro/kernels';
import { type BatchInput, type BatchView, type BatchViews, dtypeOf, elementsOf, MaestroError } from '@maestro/protocol';
import type { FlatLayout } from '@maestro/tensors';
import { floatTensor, type SessionTensor } from '../session.ts';

/** What a model takes and gives, of either engine. */
export interface ModelPorts {
  readonly inputMetadata: readonly { readonly name: string; readonly isTensor: boolean; readonly shape?: readonly (number | string)[] }[];
  readonly outputNames: readonly string[];
}

/** The views of one flat vector by tensor name, in layout order; each lies in one segment. */
export function tensorViews(layout: FlatLayout, vector: SegmentedFloats): Map<string, Float32Array> {
  return new Map(
    layout.tensors.map(({ name, offset, size }) => {
      const part = vector.parts.findLast(({ start }) => start <= offset)!;
      return [name, part.floats.subarray(offset - part.start, offset - part.start + size)];
    }),
  );
}

/** One tensor per parameter, over `views`, named `prefix` + name. Made once; they see every later change of the memory. */
export function parameterTensors(layout: FlatLayout, views: ReadonlyMap<string, Float32Array>, prefix = ''): Record<string, SessionTensor> {
  return Object.fromEntries(layout.tensors.map(({ name, shape }) => [prefix + name, floatTensor(views.get(name)!, shape)]));
}

/**
 * Checks that a model takes nothing but parameters of `layout`, `batch` and `others`, and all of `batch`, each with its shape.
 *
 * @throws MaestroError `invalid-argument` naming the first difference.
 */
export function checkInputs(
  what: string,
  session: ModelPorts,
  layout: FlatLayout,
  { batch, others: own = [] }: { readonly batch: readonly BatchInput[]; readonly others?: readonly string[] },
): void {
  const shapes = new Map(layout.tensors.map(({ name, shape }) => [name, shape]));
  const inputs = new Map(session.inputMetadata.map((input) => [input.name, input.shape ?? []]));
  const others = [...batch.map(({ name }) => name), ...own];
  for (const { name, shape } of batch) {
    const found = inputs.get(name);
    const isSame = found !== undefined && `${found.slice(1)}` === `${shape}`;
    if (isSame) continue;
    const has = found === undefined ? 'none' : `[${found}]`;
    throw new MaestroError(
      'invalid-argument',
      `${what}: expected an input ${name} of [${['N', ...shape].join(', ')}], the model has ${has}`,
    );
  }
  for (const [name, shape] of inputs) {
    const expected = shapes.get(name);
    if (expected === undefined && !others.includes(name)) {
      throw new MaestroError(
        'invalid-argument',
        `${what}: the model has an input ${name} that is neither a parameter of the layout nor ${others.join(', ')}`,
      );
    }
    if (expected !== undefined && `${expected}` !== `${shape}`) {
      throw new MaestroError('invalid-argument', `${what}: parameter ${name} is [${shape}] in the model, [${expected}] in the layout`);
    }
  }
}

/** @throws MaestroError `invalid-argument` naming the first of `names` that the model does not give. */
export function checkOutputs(what: string, session: ModelPorts, names: readonly string[]): void {
  const missing = names.find((name) => !session.outputNames.includes(name));
  if (missing !== undefined) throw new MaestroError('invalid-argument', `${what}: the model has no output ${missing}`);
}

/**
 * The values of an input in a batch of `count` samples.
 * @throws MaestroError `invalid-argument` when there are none, they are too few, or of another element type.
 */
export function requireInput(what: string, input: BatchInput, views: BatchViews, count: number): BatchView {
  const view = views[input.name];
  const needed = count * elementsOf(input);
  if (view !== undefined && dtypeOf(view) === input.dtype && view.length >= needed) return view;
  const found = view === undefined ? 'none' : `${view.length} in a ${view[Symbol.toStringTag]}`;
  throw new MaestroError(
    'invalid-argument',
    `${what}: ${count} samples need ${needed} ${input.dtype} of ${input.name}, [${[count, ...input.shape].join(', ')}], found ${found}`,
  );
}
