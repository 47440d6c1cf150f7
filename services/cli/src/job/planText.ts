import { formatBytes, type JobCheck } from '@maestro/protocol';
import { duration } from './progressView.ts';

/** What follows from a job file, for a terminal: a line for each thing that is known. */
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
    ['Batch', `${count(globalBatch)} images a step: ${virtualRanks} virtual ranks x ${microBatch} x ${accumulation}`],
    ['Steps', steps.join(', ')],
    [
      'Learning rate',
      learningRate === undefined
        ? undefined
        : `${learningRate.toPrecision(3)} at its highest: baseLr ${baseLr} x batch / 256${warmUp(warmupSteps)}`,
    ],
    ['Parameters', `${millions(plan.parameters)}, of which the encoder has ${millions(plan.encoderParameters)}`],
    ['Memory', `about ${formatBytes(plan.memoryBytes)} a worker`],
    ['Workers', `${workers} at hand that it can use, ${spec.resources.minWorkers} needed`],
    [
      'Time',
      seconds === undefined
        ? undefined
        : `about ${duration(seconds)} on the workers at hand, ` +
          `${secondsBy === 'guess' ? 'a guess: no job was measured here yet' : 'as fast as an earlier job here'}`,
    ],
  ];
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  return lines.flatMap(([name, text]) => (text === undefined || text === '' ? [] : [`${`${name}:`.padEnd(width)}${text}`])).join('\n');
}

const warmUp = (steps: number | undefined): string => (steps === undefined ? '' : `, after ${count(steps)} steps of warm-up`);
const count = (value: number): string => value.toLocaleString('en-US');
const round = (value: number): string => String(Number(value.toFixed(2)));
const millions = (value: number): string => `${(value / 1e6).toFixed(1)} M`;
