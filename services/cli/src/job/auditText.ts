import { type AuditEpoch, formatBytes, type JobAudit } from '@maestro/protocol';
import { textTable } from '../terminal/textTable.ts';

/** Number of last epochs with their own line, besides every one with a problem. */
const SHOWN_EPOCHS = 10;
/** Maximum problems shown; `--json` has more. */
const SHOWN_PROBLEMS = 20;

/** Formats an audit: the verdict first, then the counts it rests on. */
export function auditText(audit: JobAudit): string {
  const { jobId, name, state, firstStep, step, totalSteps, problems, problemCount, workers, redoneSteps, unknownSteps } = audit;
  const steps = `${step - firstStep} committed${firstStep === 0 ? '' : ` after the ${firstStep} it resumed from`}, of ${totalSteps} in all`;
  const why = redoneSteps === 0 ? '' : ', because all workers had gone; the ledger counts each once';
  const lines = [
    `Job:      ${jobId} (${name}), ${state}`,
    `Steps:    ${steps}; generation ${audit.generation}`,
    `Verdict:  ${verdict(audit)}`,
    `Redone:   ${count(redoneSteps, 'committed step')}${why}`,
  ];
  if (unknownSteps > 0)
    lines.push(
      `Unknown:  ${count(unknownSteps, 'step')} with no recorded worker (lost with Redis and all workers); samples come from the schedule`,
    );
  if (audit.dataDigest !== '')
    lines.push(
      `Data:     digest ${audit.dataDigest} of the bytes read; another run of this job that read the same bytes has the same digest`,
    );
  lines.push(`Ledger:   ${formatBytes(audit.ledgerBytes)} in Redis`, '', epochTable(audit.epochs));
  if (workers.length > 0) {
    const rows = [...workers]
      .sort((a, b) => b.images - a.images)
      .map(({ id, images, share }) => [id, number(images), `${(100 * share).toFixed(1)} %`]);
    lines.push('', textTable([['WORKER', 'IMAGES', 'SHARE'], ...rows], [1, 2]));
  }
  if (problemCount > 0) {
    lines.push('', `Problems (${problemCount}):`, ...problems.slice(0, SHOWN_PROBLEMS).map((problem) => `  ${problem}`));
    if (problemCount > SHOWN_PROBLEMS) lines.push(`  and ${problemCount - SHOWN_PROBLEMS} more`);
  }
  return lines.join('\n');
}

function verdict(audit: JobAudit): string {
  const { isClean, expected, images, skipped, missing, duplicates, mismatches, problemCount, dueStep, step } = audit;
  const broken = skipped === 0 ? '' : ` (${number(images)} read, ${number(skipped)} broken)`;
  if (isClean) return `clean: ${number(expected)} samples were due, and each was consumed exactly once${broken}`;
  if (audit.verdict === 'incomplete') {
    const lost = count(dueStep - step, 'step');
    return `INCOMPLETE: the record of ${lost} is missing (the job has committed ${dueStep}); the rest is consistent`;
  }
  const found = [
    missing > 0 && `${count(missing, 'sample')} missing`,
    duplicates > 0 && `${count(duplicates, 'sample')} taken twice`,
    mismatches > 0 && `${count(mismatches, 'row')} with samples other than planned`,
  ].filter((part) => part !== false);
  return `NOT CLEAN: ${[...found, `${count(problemCount, 'problem')} in all`].join(', ')}; ${number(expected)} samples were due`;
}

/** Older clean epochs share a line. */
function epochTable(epochs: readonly AuditEpoch[]): string {
  if (epochs.length === 0) return 'no step has been committed yet';
  const isShown = (epoch: AuditEpoch, at: number): boolean => at >= epochs.length - SHOWN_EPOCHS || !isSound(epoch);
  const rows: string[][] = [];
  for (let at = 0; at < epochs.length; at++) {
    if (isShown(epochs[at]!, at)) {
      rows.push(epochRow([epochs[at]!]));
      continue;
    }
    const run = [epochs[at]!];
    while (at + 1 < epochs.length && !isShown(epochs[at + 1]!, at + 1)) run.push(epochs[++at]!);
    rows.push(epochRow(run));
  }
  const head = ['EPOCH', 'STEPS', 'DUE', 'READ', 'BROKEN', 'MISSING', 'TWICE', 'SAMPLES'];
  return textTable([head, ...rows], [2, 3, 4, 5, 6]);
}

const isSound = ({ missing, duplicates, mismatches, expected, images, skipped }: AuditEpoch): boolean =>
  missing + duplicates + mismatches === 0 && images + skipped === expected;

function epochRow(run: readonly AuditEpoch[]): string[] {
  const [first, last] = [run[0]!, run.at(-1)!];
  const sum = (pick: (epoch: AuditEpoch) => number): string => number(run.reduce((total, epoch) => total + pick(epoch), 0));
  return [
    first === last ? `${first.epoch}` : `${first.epoch}..${last.epoch}`,
    `${first.firstStep}..${last.firstStep + last.steps - 1}`,
    sum(({ expected }) => expected),
    sum(({ images }) => images),
    sum(({ skipped }) => skipped),
    sum(({ missing }) => missing),
    sum(({ duplicates }) => duplicates),
    `${run.some(({ mismatches }) => mismatches > 0) ? 'DIFFER' : 'as planned'}${last.isComplete ? '' : ', under way'}`,
  ];
}

const number = (value: number): string => value.toLocaleString('en-US').replaceAll(',', ' ');
const count = (value: number, what: string): string => `${number(value)} ${what}${value === 1 ? '' : 's'}`;
