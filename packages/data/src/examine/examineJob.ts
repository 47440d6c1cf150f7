import { maeConfig } from '@maestro/mae';
import { type ErrorCode, errorMessage, type JobSpec, jobData, MaestroError } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { jobSchedule } from '../schedule/jobSchedule.ts';
import { type DataExamination, examineData } from './examineData.ts';

/** Options of {@link examineJob}. */
export interface JobExaminationOptions {
  /** True when no worker can see other files than this machine: what is missing here is then missing everywhere. */
  readonly isCertain: boolean;
  /** Steps done by the checkpoint that the job resumes from; 0 when it starts afresh. */
  readonly startStep: number;
  /** Counts all samples, not just as many as a step needs. */
  readonly countsAll?: boolean;
}

/** Findings of an examination that do not prevent admission of the job. */
export interface JobExamination {
  /** Number of samples in its data; undefined when they were not all counted. */
  readonly samples: number | undefined;
  readonly warnings: readonly string[];
}

/**
 * Checks a job file against what this machine can see: the model's sizes, whether the data exists and fills a step, and whether any work
 * remains. @throws MaestroError `invalid-argument`, or `data-invalid` when only the data is at fault, with every problem in
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
