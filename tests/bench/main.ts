import { parseArgs } from 'node:util';
import { benchFalseStarts } from './cluster/falseStarts.ts';
import { benchIdle } from './cluster/idle.ts';
import { benchLearning } from './cluster/learning.ts';
import { benchLogs } from './cluster/logs.ts';
import { benchMembers } from './cluster/members.ts';
import { benchQueue } from './cluster/queue.ts';
import { benchRecovery } from './cluster/recovery.ts';
import { benchStart } from './cluster/start.ts';
import { benchSubmit } from './cluster/submit.ts';
import { benchTolerance } from './cluster/tolerance.ts';
import { benchEngine } from './compute/engine.ts';
import { benchGradientErrors } from './compute/gradientErrors.ts';
import { PYTHON } from './compute/python.ts';
import { benchStep } from './compute/step.ts';
import { benchDataset } from './data/dataset.ts';
import { benchFolder } from './data/folder.ts';
import { type AllReduceRow, benchAllReduce } from './exchange/allReduce.ts';
import { benchLinks } from './exchange/links.ts';
import { benchNetwork } from './exchange/network.ts';
import { benchScaling } from './exchange/scaling.ts';
import { benchSync } from './exchange/sync.ts';
import { benchPeers } from './peers/peers.ts';
import { benchCheckpoint } from './state/checkpoint.ts';
import { benchMemory } from './state/memory.ts';
import { benchSnapshot } from './state/snapshot.ts';
import { benchState } from './state/state.ts';

const { values: flags, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, json: { type: 'boolean' }, pairs: { type: 'string' } },
});

/**
 * `npm run bench -- [NAME...] [--only KEYS] [--pairs MOST] [--json]`: medians, side by side with PyTorch where Python has torch (PYTHON names
 * the interpreter). The options are those of `peers`; `learning` takes `--only` too.
 */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  step: benchStep,
  engine: benchEngine,
  gradients: benchGradientErrors,
  learning: () => benchLearning(flags),
  dataset: benchDataset,
  folder: benchFolder,
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
  members: benchMembers,
  submit: benchSubmit,
  start: benchStart,
  queue: benchQueue,
  'false-starts': benchFalseStarts,
  links: benchLinks,
  network: benchNetwork,
  scaling: benchScaling,
  peers: () => benchPeers(flags),
};

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
