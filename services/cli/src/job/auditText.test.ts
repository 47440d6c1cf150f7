import { expect, test } from '@jest/globals';
import type { AuditEpoch, JobAudit } from '@maestro/protocol';
import { auditText } from './auditText.ts';

const epochAt = (epoch: number, changes: Partial<AuditEpoch> = {}): AuditEpoch => ({
  epoch,
  firstStep: epoch * 10,
  steps: 10,
  isComplete: true,
  isFolded: true,
  expected: 1000,
  images: 1000,
  skipped: 0,
  missing: 0,
  duplicates: 0,
  mismatches: 0,
  ...changes,
});
const audit = (changes: Partial<JobAudit> = {}): JobAudit => ({
  jobId: 'job-1',
  name: 'faces',
  state: 'running',
  verdict: 'clean',
  isClean: true,
  firstStep: 0,
  step: 128,
  dueStep: 128,
  totalSteps: 500,
  generation: 3,
  samples: 1005,
  expected: 12800,
  images: 12799,
  skipped: 1,
  missing: 0,
  duplicates: 0,
  mismatches: 0,
  unknownSteps: 0,
  redoneSteps: 7,
  dataDigest: '00c0ffee12345',
  ledgerBytes: 7654,
  epochs: [
    ...Array.from({ length: 12 }, (_, epoch) => epochAt(epoch)),
    epochAt(12, { steps: 8, isComplete: false, expected: 800, images: 799, skipped: 1 }),
  ],
  workers: [
    { id: 'worker-b:2', images: 4799, share: 4799 / 12799 },
    { id: 'worker-a:1', images: 8000, share: 8000 / 12799 },
  ],
  problems: [],
  problemCount: 0,
  ...changes,
});

test('a clean audit says so first, folds what lies long past, and ends with who did what', () => {
  const lines = auditText(audit()).split('\n');
  expect(lines.slice(0, 10)).toEqual([
    'Job:      job-1 (faces), running',
    'Steps:    128 committed, of 500 in all; generation 3',
    'Verdict:  clean: 12 800 samples were due, and each was consumed exactly once (12 799 read, 1 broken)',
    'Redone:   7 committed steps, because all workers had gone; the ledger counts each once',
    'Data:     digest 00c0ffee12345 of the bytes read; another run of this job that read the same bytes has the same digest',
    'Ledger:   7.7 kB in Redis',
    '',
    'EPOCH  STEPS       DUE   READ  BROKEN  MISSING  TWICE  SAMPLES',
    '0..2   0..29     3 000  3 000       0        0      0  as planned',
    '3      30..39    1 000  1 000       0        0      0  as planned',
  ]);
  expect(lines.slice(-5)).toEqual([
    '12     120..127    800    799       1        0      0  as planned, under way',
    '',
    'WORKER      IMAGES   SHARE',
    'worker-a:1   8 000  62.5 %',
    'worker-b:2   4 799  37.5 %',
  ]);
});

test('an audit that is not clean says what is wrong, shows the epoch however old, and tells the first problems', () => {
  const problems = Array.from({ length: 30 }, (_, i) => `epoch 1: problem ${i}`);
  const epochs = Array.from({ length: 20 }, (_, epoch) => epochAt(epoch, epoch === 1 ? { missing: 8, mismatches: 1, images: 992 } : {}));
  const text = auditText(audit({ verdict: 'unclean', isClean: false, missing: 8, mismatches: 1, problems, problemCount: 31, epochs }));
  expect(text).toContain(
    'Verdict:  NOT CLEAN: 8 samples missing, 1 row with samples other than planned, 31 problems in all; 12 800 samples were due\n',
  );
  expect(text).toMatch(/^1 {6}10\.\.19 +1 000 +992 +0 +8 +0 {2}DIFFER$/m);
  expect(text).toMatch(/^2\.\.9 +20\.\.99 +8 000/m);
  expect(text).toContain('Problems (31):\n  epoch 1: problem 0\n');
  expect(text).toMatch(/problem 19\n {2}and 11 more$/);
});

test('resumed and unknown steps are told', () => {
  const text = auditText(audit({ firstStep: 100, unknownSteps: 1, redoneSteps: 0, epochs: [], workers: [] }));
  expect(text).toContain('Steps:    28 committed after the 100 it resumed from, of 500 in all');
  expect(text).toContain('Unknown:  1 step with no recorded worker (lost with Redis and all workers); samples come from the schedule');
  expect(text).toContain('no step has been committed yet');
});

test('a record that lacks steps is incomplete, and not clean', () => {
  const problems = ['incomplete: the ledger has 128 steps, the job has done 500; steps 128 to 499 (epochs 12 to 49) are not in it'];
  const text = auditText(audit({ verdict: 'incomplete', isClean: false, state: 'succeeded', dueStep: 500, problems, problemCount: 1 }));
  expect(text).toContain('Verdict:  INCOMPLETE: the record of 372 steps is missing (the job has committed 500); the rest is consistent\n');
  expect(text).toContain(`Problems (1):\n  ${problems[0]}`);
});
