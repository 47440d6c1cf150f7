import { type AllReduceRow, benchAllReduce } from './allReduce.ts';
import { benchCheckpoint } from './checkpoint.ts';
import { benchDataset } from './dataset.ts';
import { benchEngine } from './engine.ts';
import { benchFalseStarts } from './falseStarts.ts';
import { benchIdle } from './idle.ts';
import { benchLinks } from './links.ts';
import { benchLogs } from './logs.ts';
import { benchMemory } from './memory.ts';
import { benchNetwork } from './network.ts';
import { PYTHON } from './python.ts';
import { benchQueue } from './queue.ts';
import { benchRecovery } from './recovery.ts';
import { benchScaling } from './scaling.ts';
import { benchSnapshot } from './snapshot.ts';
import { benchState } from './state.ts';
import { benchStep } from './step.ts';
import { benchSubmit } from './submit.ts';
import { benchSync } from './sync.ts';
import { benchTolerance } from './tolerance.ts';

/**
 * `npm run bench -- [step] [engine] [allreduce] [dataset] [state] [checkpoint] [snapshot] [logs] [memory] [recovery] [tolerance] [sync] [submit] [queue] [false-starts] [idle] [links] [network] [scaling]`: medians, side by side with PyTorch where Python has torch (PYTHON names the interpreter).
 */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  step: benchStep,
  engine: benchEngine,
  dataset: benchDataset,
  allreduce: async () => {
    for (const row of await benchAllReduce({ python: PYTHON })) process.stdout.write(`${describeRow(row)}\n`);
  },
  state: benchState,
  checkpoint: benchCheckpoint,
  snapshot: benchSnapshot,
  logs: benchLogs,
  memory: benchMemory,
  recovery: benchRecovery,
  tolerance: benchTolerance,
  sync: benchSync,
  idle: benchIdle,
  submit: benchSubmit,
  queue: benchQueue,
  'false-starts': benchFalseStarts,
  links: benchLinks,
  network: benchNetwork,
  scaling: benchScaling,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`bench: ${unknown.join(', ')}: unknown; there are ${Object.keys(benches).join(', ')}\n`);
  process.exitCode = 2;
} else {
  for (const name of asked.length === 0 ? Object.keys(benches) : asked) await benches[name]!();
}

function describeRow({ glooSeconds, glooCpuSeconds, ratio, ...ours }: AllReduceRow): string {
  const milliseconds = (value: number): string => `${(1000 * value).toFixed(1)} ms`;
  const { bytes, processes, seconds, cpuSeconds, delayP99Ms, uncheckedSeconds, uncheckedCpuSeconds } = ours;
  const peer =
    glooSeconds === undefined || glooCpuSeconds === undefined || ratio === undefined
      ? 'no gloo (set PYTHON to an interpreter with torch)'
      : `gloo ${milliseconds(glooSeconds)} (processor ${milliseconds(glooCpuSeconds)}), ratio ${ratio.toFixed(2)}`;
  const own = `${milliseconds(seconds)} (processor ${milliseconds(cpuSeconds)} a process)`;
  const unchecked = `without checksums ${milliseconds(uncheckedSeconds)} (${milliseconds(uncheckedCpuSeconds)})`;
  return (
    `allreduce ${(bytes / 1e6).toFixed(0)} MB, ${processes} processes: ${own}, ${peer}; ${unchecked}; event-loop delay p99 ` +
    `${delayP99Ms.toFixed(1)} ms`
  );
}
