import { expect, test } from '@jest/globals';
import { type Job, type JobSpec, parseJobSpec } from '@maestro/protocol';
import { createSubmissions } from './submissions.ts';

const spec = parseJobSpec({ data: { format: 'idx', path: '/data' }, schedule: { epochs: 1 } });

function open() {
  const jobs = new Map<string, Job>();
  const retired = new Map<string, Job>();
  const keys = new Map<string, string>();
  const created: string[] = [];
  const submissions = createSubmissions({
    find: (id) => jobs.get(id),
    async recall(id) {
      const job = retired.get(id);
      if (job !== undefined) jobs.set(id, job);
    },
    store: {
      async reserveKey(key, jobId) {
        if (!keys.has(key)) keys.set(key, jobId);
        return keys.get(key)!;
      },
    },
  });
  const submit = (idempotencyKey: string, of: JobSpec = spec) =>
    submissions.submit({
      spec: of,
      idempotencyKey,
      async create(id) {
        created.push(id);
        await new Promise((resolve) => setTimeout(resolve, 5));
        const job = { id, specJson: JSON.stringify(of) } as Job;
        jobs.set(id, job);
        return job;
      },
    });
  const retire = (id: string): void => {
    retired.set(id, jobs.get(id)!);
    jobs.delete(id);
  };
  const put = (job: Job): void => void jobs.set(job.id, job);
  return { submit, created, keys, retire, put };
}

test('submits without a key are jobs of their own, with ids that rise', async () => {
  const { submit, created } = open();
  const both = await Promise.all([submit(''), submit('')]);
  expect(both.map(({ isNew }) => isNew)).toEqual([true, true]);
  expect([...created].sort()).toEqual(created);
  expect(new Set(created).size).toBe(2);
});

test('a key that was used for a job that is retired by now gives that job', async () => {
  const { submit, created, retire } = open();
  const { job } = await submit('nightly');
  retire(job.id);
  expect(await submit('nightly')).toEqual({ job, isNew: false });
  expect(created).toEqual([job.id]);
});

test('a key finds its job after its precision auto was decided, but not one whose file names that precision', async () => {
  const { submit, keys, put } = open();
  const auto: JobSpec = { ...spec, precision: 'auto' };
  const specJson = JSON.stringify({ ...spec, precision: 'float32' });
  const { job } = await submit('nightly', auto);
  put({ ...job, specJson, conditions: [{ type: 'PrecisionChosen' }] } as unknown as Job);
  expect((await submit('nightly', auto)).job.id).toBe(job.id);
  put({ ...job, specJson, conditions: [] });
  await expect(submit('nightly', auto)).rejects.toMatchObject({ code: 'conflict' });
  expect(keys.size).toBe(1);
});

test('two requests with one key at once make one job, and a later one finds it', async () => {
  const { submit, created } = open();
  const answers = await Promise.all([submit('nightly'), submit('nightly')]);
  answers.push(await submit('nightly'));
  expect(answers.map(({ job, isNew }) => [job.id, isNew])).toEqual([
    [created[0], true],
    [created[0], false],
    [created[0], false],
  ]);
  expect(created).toHaveLength(1);
  await expect(submit('nightly', { ...spec, seed: 7 })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`the idempotency key nightly was already used for ${created[0]}`),
  });
});

test('a key that was reserved by a submit that was cut off is taken up with its id', async () => {
  const { submit, created, keys } = open();
  keys.set('nightly', 'job-cut-off');
  expect(await submit('nightly')).toMatchObject({ job: { id: 'job-cut-off' }, isNew: true });
  expect(created).toEqual(['job-cut-off']);
});
