import { maeConfig } from '@maestro/mae';
import { type ErrorCode, errorMessage, type JobSpec, jobData, MaestroError } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { jobSchedule } from '../schedule/jobSchedule.ts';
import { type DataExamination, examineData } from './examineData.ts';

/** What is known when a job file is examined. */
export interface JobExaminationOptions {
  /** Whether no worker can see other files than this machine: what is not here is then nowhere. */
  readonly isCertain: boolean;
  /** Steps that the checkpoint has done from which the job goes on; 0 when it begins anew. */
  readonly startStep: number;
  /** Counts all samples, and not only as many as a step needs. */
  readonly countsAll?: boolean;
}

/** What an examination finds that does not keep a job from being taken. */
export interface JobExamination {
  /** Samples of its data; undefined when they were not counted to the end. */
  readonly samples: number | undefined;
  readonly warnings: readonly string[];
}

/**
 * Checks a job file against what can be seen here: the model's sizes, whether the data is there and fills a step, and whether there is
 * anything to do. @throws MaestroError `invalid-argument`, or `data-invalid` when the data alone is to blame, with every problem in
 * `details.issues`.
 */
export async function examineJob(
  spec: JobSpec,
  { isCertain, startStep, countsAll = false }: JobExaminationOptions,
): Promise<JobExamination> {
  const issues: { readonly code: ErrorCode; readonly text: string }[] = [];
  const warnings: string[] = [];
  try {
    maeConfig(spec.model);
  } catch (error) {
    issues.push({ code: 'invalid-argument', text: errorMessage(error) });
  }
  const judge = (key: string, found: DataExamination): void => {
    if (found.kind === 'wrong' || (found.kind === 'absent' && isCertain))
      issues.push({ code: 'data-invalid', text: `${key}: ${found.reason}` });
    else if (found.kind === 'absent')
      warnings.push(`${key}: ${found.reason}, as the coordinator sees it; whether workers see more shows when the job starts`);
  };
  const { virtualRanks, microBatch, accumulation, lastBatch } = { ...spec.resources, ...spec.schedule };
  const isWhole = countsAll || startStep > 0;
  const enough = isWhole ? Number.POSITIVE_INFINITY : lastBatch === 'keep' ? 1 : virtualRanks * microBatch * accumulation;
  const sets = jobData(spec);
  const all = await Promise.all(sets.map(({ data }, at) => examineData(data, { enough: at === 0 ? enough : 1 })));
  for (const [at, { place }] of sets.entries()) judge([...place, 'path'].join('.'), all[at]!);
  const found = all[0]!;
  if (found.kind === 'unseen' && !isUrl(spec.data.path)) warnings.push(`data.path: ${found.reason}; it was not checked`);
  const samples = found.kind === 'seen' && found.isAll ? found.samples : undefined;
  const steps =
    samples === undefined ? spec.schedule.steps : stepsOf(spec, samples, (text) => issues.push({ code: 'invalid-argument', text }));
  if (startStep > 0 && steps !== undefined && steps <= startStep) {
    issues.push({
      code: 'invalid-argument',
      text:
        `schedule: nothing to do: the checkpoint has ${startStep} steps done, and the job ends after ${steps}; give more epochs ` +
        'or steps, which count from the very beginning',
    });
  }
  const [first] = issues;
  if (first === undefined) return { samples, warnings };
  const isData = issues.every(({ code }) => code === first.code);
  const texts = issues.map(({ text }) => text);
  throw new MaestroError(isData ? first.code : 'invalid-argument', `job file: ${texts.join('; ')}`, { details: { issues: texts } });
}

function stepsOf(spec: JobSpec, samples: number, refuse: (text: string) => void): number | undefined {
  try {
    return jobSchedule(spec, samples).totalSteps;
  } catch (error) {
    const share = 'holdOut' in spec.data ? spec.data.holdOut : 0;
    refuse(`${errorMessage(error)}${share > 0 ? `; data.holdOut ${share} leaves about ${Math.round(samples * (1 - share))} of them` : ''}`);
    return undefined;
  }
}
