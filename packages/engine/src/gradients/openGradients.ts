import type { SegmentedFloats } from '@maestro/kernels';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { openCapi } from '../capi/openCapi.ts';
import type { OrtApi } from '../capi/ortApi.ts';
import type { OrtMemory } from '../capi/ortValue.ts';
import { DeviceState } from '../trainer/deviceState.ts';
import { type GradientSlots, hostSlots } from '../trainer/gradientSlots.ts';
import type { StepLoops } from '../trainer/host/stepLoops.ts';
import type { StateVectors, TrainerHostOptions, TrainerReady } from '../trainer/trainerMessages.ts';
import { CapiGradientRun, valuesOver } from './capiGradientRun.ts';
import { NodeGradientRun } from './nodeGradientRun.ts';
import { StagedGradientRun } from './stagedGradientRun.ts';

/** Where gradients are computed and summed; with `device`, parameters and moments are there too. */
export interface Gradients {
  readonly slots: GradientSlots;
  readonly device: DeviceState | undefined;
  ready(): TrainerReady;
}

/** What {@link openGradients} puts to use. */
export interface TrainingVectors {
  /** By replica. */
  readonly states: readonly StateVectors[];
  readonly slots: readonly SegmentedFloats[];
  readonly reduced: SegmentedFloats;
  readonly loops: Pick<StepLoops, 'add'>;
}

/**
 * Opens the engine that was asked for. On a CPU `auto` is `node`, which takes as long and is proven, unless the model has stages; on other
 * devices it is `capi`, since only that keeps state there. Where `capi` cannot be opened, `node` takes its place, and the reason is told;
 * a model with native operators runs by `capi` alone.
 *
 * @throws MaestroError `unavailable` when `capi` must be and cannot, `invalid-argument` or `device-unavailable` when ONNX Runtime refuses
 * the model or the device.
 */
export async function openGradients(options: TrainerHostOptions, { states, slots, reduced, loops }: TrainingVectors): Promise<Gradients> {
  const { engine, device, isResident, operators, stages } = options;
  const isNative = operators !== undefined;
  const parameters = states.map((state) => state.parameters);
  const openNode = async (reason: string): Promise<Gradients> => {
    const run = await NodeGradientRun.open(options, parameters, slots);
    const told = { engine: 'node', engineReason: reason, isResident: false } as const;
    return { slots: hostSlots(run, slots, loops), device: undefined, ready: () => ({ ...told, ...pathOf(run) }) };
  };
  if (engine === 'node' && isNative) {
    throw new MaestroError('invalid-argument', 'native operators need the capi engine; found engine node (MAESTRO_ENGINE)');
  }
  if (engine === 'node') return openNode('as configured');
  if (engine === 'auto' && device === 'cpu' && !isNative && stages.length === 0) return openNode('the best on a cpu');

  let api: OrtApi;
  try {
    api = await openCapi(options);
  } catch (error) {
    if (isNative) throw error;
    return openNode(errorMessage(error));
  }
  const told = { engine: 'capi', engineReason: 'the self-test passed', isResident } as const;
  if (isResident) {
    const state = new DeviceState(api, options, states[0]!, reduced);
    return { slots: state, device: state, ready: () => ({ ...told, ...pathOf(state.run) }) };
  }
  const { layout } = options;
  const place = (memory: OrtMemory) => ({
    parameters: parameters.map((vector) => valuesOver(memory, layout, vector)),
    slots: slots.map((vector) => valuesOver(memory, layout.trainable, vector, 'grad.')),
  });
  const run =
    stages.length > 0 ? new StagedGradientRun(api, options, place) : CapiGradientRun.open(api, options, (_, memory) => place(memory));
  return { slots: hostSlots(run, slots, loops), device: undefined, ready: () => ({ ...told, ...pathOf(run) }) };
}

function pathOf({ outputPath, outputPathReason }: Pick<TrainerReady, 'outputPath' | 'outputPathReason'>) {
  return { outputPath, outputPathReason };
}
