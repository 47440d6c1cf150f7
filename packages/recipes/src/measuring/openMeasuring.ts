import { MaestroError } from '@maestro/protocol';
import { entryOf } from '../registry.ts';
import type { Measuring, MeasuringTools } from './measuring.ts';

/** Opens the measurement of a job. @throws MaestroError of whatever cannot be opened. */
export async function openMeasuring(tools: MeasuringTools): Promise<Measuring> {
  const { info, loadMeasuring } = entryOf(tools.spec);
  if (loadMeasuring === undefined) throw new MaestroError('internal', `internal: recipe ${info.id} does not measure`);
  return (await loadMeasuring())(tools);
}
