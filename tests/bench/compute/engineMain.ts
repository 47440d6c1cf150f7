import { readFile } from 'node:fs/promises';
import type { Engine } from '@maestro/engine';
import { type CaseName, formulaBatch, trainingCase } from '../../gpu/trainingCase.ts';
import type { EngineStep } from './engine.ts';

/** `fork('engineMain.js', [ENGINE, host|resident, CASE, BATCH])`: answers each message with one training step; ends when disconnected. */
const [engine, place, name, batchText] = process.argv.slice(2) as [Engine, 'host' | 'resident', CaseName, string];
const each = trainingCase(name);
const trainer = await each.open(Number(batchText), { device: 'cpu', engine, isResident: place === 'resident' });
if (trainer.engine !== engine) throw new Error(`${engine} could not be opened`);
const batch = formulaBatch(each.config, Number(batchText));
let step = 0;

process.on('message', async () => {
  const { loss, seconds } = await trainer.forwardBackward(batch);
  await trainer.pushLeaf();
  await trainer.takeReduced();
  const applied = await trainer.apply({ lr: 1e-4, step: ++step });
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const peakBytes = 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN);
  const told: EngineStep = {
    forwardBackwardMs: 1000 * seconds,
    applyMs: 1000 * applied.seconds,
    residentBytes: process.memoryUsage.rss(),
    peakBytes,
    loss,
  };
  process.send!(told);
});
process.on('disconnect', () => void trainer.close());
