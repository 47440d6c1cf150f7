import { formatBytes, type JobCheck } from '@maestro/protocol';
import { duration } from './progressView.ts';

/** Formats the plan of a job file: a line for each known value. */
export function planText({ plan, spec }: Pick<JobCheck, 'plan' | 'spec'>): string {
  const { samples, globalBatch, stepsPerEpoch, totalSteps, epochs, learningRate, warmupSteps, workers, seconds, secondsBy } = plan;
  const { virtualRanks } = spec.resources;
  const { microBatch, accumulation, baseLr } = spec.schedule;
  const steps = [
    ...(stepsPerEpoch === undefined ? [] : [`${count(stepsPerEpoch)} an epoch`]),
    ...(totalSteps === undefined ? [] : [`${count(totalSteps)} in all`]),
    ...(epochs === undefined ? [] : [`${round(epochs)} epochs`]),
  ];
  const lines: [string, string | undefined][] = [
    ['Data', samples === undefined ? 'not counted' : `${count(samples)} samples`],
    ['Batch', `${count(globalBatch)} images per step: ${virtualRanks} virtual ranks x ${microBatch} x ${accumulation}`],
    ['Steps', steps.join(', ')],
    [
      'Learning rate',
      learningRate === undefined ? undefined : `${learningRate.toPrecision(3)} peak: baseLr ${baseLr} x batch / 256${warmUp(warmupSteps)}`,
    ],
    ['Parameters', `${millions(plan.parameters)}, ${millions(plan.encoderParameters)} of them in the encoder`],
    ['Memory', `about ${formatBytes(plan.memoryBytes)} per worker`],
    ['Workers', `${workers} available, ${spec.resources.minWorkers} needed`],
    [
      'Time',
      seconds === undefined
        ? undefined
        : `about ${duration(seconds)} on the available workers, ` +
          `${secondsBy === 'guess' ? 'a guess: no job has been timed here yet' : 'at the speed of an earlier job here'}`,
    ],
  ];
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  return lines.flatMap(([name, text]) => (text === undefined || text === '' ? [] : [`${`${name}:`.padEnd(width)}${text}`])).join('\n');
}

const warmUp = (steps: number | undefined): string => (steps === undefined ? '' : `, after ${count(steps)} steps of warm-up`);
const count = (value: number): string => value.toLocaleString('en-US');
const round = (value: number): string => String(Number(value.toFixed(2)));
const millions = (value: number): string => `${(value / 1e6).toFixed(1)} M`;
