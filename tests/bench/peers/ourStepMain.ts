import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ModelName, Precision } from './ourTraining.ts';

/**
 * `ourStepMain.js MODEL BATCH THREADS PRECISION`: answers lines as torch_step.py does. Everything of ours is loaded before the memory that
 * is there without a model is read.
 */
const [model, batchText, threadsText, precision] = process.argv.slice(2) as [ModelName, string, string, Precision];
const { openOurTraining, specOf } = await import('./ourTraining.ts');
const batch = Number(batchText);
const baselineBytes = memoryBytes('VmRSS');
const spec = specOf(model, batch, precision);
if (spec === undefined) {
  answer({ error: 'not there yet' });
} else {
  const training = await openOurTraining(spec, batch, Number(threadsText));
  answer({ threads: Number(threadsText), baselineBytes });
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line) as { readonly do: 'check' | 'steps' | 'memory'; readonly count?: number };
    try {
      if (asked.do === 'check') {
        const first = await training.step();
        const second = await training.step();
        answer({ losses: [first.loss, second.loss], norms: [first.norm, second.norm] });
      } else if (asked.do === 'steps') {
        const count = asked.count ?? 1;
        const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
        let loss = 0;
        for (let n = 0; n < count; n++) ({ loss } = await training.step());
        const { user, system } = process.cpuUsage(startCpu);
        answer({ seconds: (performance.now() - startMs) / 1000 / count, cpuSeconds: (user + system) / 1e6 / count, loss });
      } else {
        answer({ peakBytes: memoryBytes('VmHWM'), baselineBytes });
      }
    } catch (error) {
      answer({ error: String(error) });
    }
  }
  await training.close();
}

function answer(told: object): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

function memoryBytes(field: 'VmRSS' | 'VmHWM'): number {
  return 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}
