import { benchMemory } from './memory.ts';
import { benchStep } from './step.ts';

/** `npm run bench -- [step] [allreduce] [memory]`: medians, side by side with PyTorch where Python has torch (PYTHON names the interpreter). */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  step: benchStep,
  memory: benchMemory,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`bench: ${unknown.join(', ')}: unknown; there are ${Object.keys(benches).join(', ')}\n`);
  process.exitCode = 2;
} else {
  for (const name of asked.length === 0 ? Object.keys(benches) : asked) await benches[name]!();
}
