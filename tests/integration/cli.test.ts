import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readSafetensors } from '@maestro/checkpoint';
import { buildEvalModel, maeConfig, parameterSpecs } from '@maestro/mae';
import { flatLayout } from '@maestro/tensors';
import { patchCount } from '@maestro/vit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type CliCluster, openCliCluster } from '../support/cluster/cliCluster.ts';
import { formulaInputs } from '../support/model/formula.ts';
import { parameterFeeds } from '../support/model/parameterFeeds.ts';

const TIMEOUT_MS = 300_000;

let cluster: CliCluster;
let dir: string;
const maestro = (...args: string[]) => cluster.maestro(...args);

beforeAll(async () => {
  cluster = await openCliCluster('cli');
  ({ dir } = cluster);
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
}, TIMEOUT_MS);

test(
  'from a file to a picture: submit, follow, jobs, describe, checkpoint, reconstruct',
  async () => {
    const submitted = await maestro('submit', 'job.json', '--follow', '--set', 'name=tried', '--set', 'checkpoint.everySteps=3', '--json');
    expect(submitted).toMatchObject({ code: 0 });
    expect(submitted.stderr).toContain('succeeded: finished after 12 steps');
    expect(submitted.stderr).toMatch(/\[#{28}\] 100 % {2}step 12\/12 .* loss 0\.\d{4} .* images\/s/);
    const job = JSON.parse(submitted.stdout);
    expect(job).toMatchObject({ name: 'tried', state: 'succeeded' });

    expect((await maestro('jobs')).stdout).toMatch(new RegExp(`^ID .*\\n${job.id} +tried +succeeded +12/12`));
    expect(JSON.parse((await maestro('jobs', '--json')).stdout)[0].id).toBe(job.id);
    // The same by its name, by the beginning of its id, and as the newest, with and without the coordinator's part in it.
    for (const reference of ['tried', job.id.slice(0, -4), '@last']) {
      expect(JSON.parse((await maestro('describe', reference, '--json')).stdout).id).toBe(job.id);
      expect(JSON.parse((await maestro('checkpoint', 'ls', reference, '--json')).stdout)).toHaveLength(3);
    }
    expect(JSON.parse((await maestro('--coordinator', '127.0.0.1:9', 'checkpoint', 'ls', '@last', '--json')).stdout)).toHaveLength(3);
    expect((await maestro('metrics', 'tried')).stdout.split('\n')[0]).toContain('step');
    const described = await maestro('describe', job.id);
    expect(described.stdout).toContain('State:      succeeded: finished after 12 steps');
    expect(described.stdout).toContain('Checkpoints: (4 written, 3 of them on disk)');
    expect(described.stdout).not.toContain(job.checkpoints[0].hash);
    expect(described.stdout).toContain(job.checkpoints[1].hash);

    const listed = (await maestro('checkpoint', 'ls', job.id)).stdout;
    expect(listed.match(/^(?:STEP|\d+) .*$/gm)).toEqual([
      expect.stringMatching(/^STEP +SIZE +AGE +STATUS +HASH$/),
      ...[6, 9, 12].map((step) => expect.stringMatching(new RegExp(`^${step} +[\\d.]+ [kM]B +0:\\d\\d +valid +[0-9a-f]{64}$`))),
    ]);
    const inFolder = await maestro('checkpoint', 'ls', join('.maestro', 'jobs', job.id, 'checkpoints'), '--json');
    expect(JSON.parse(inFolder.stdout)).toMatchObject([6, 9, 12].map((step) => ({ step, valid: true, problems: [] })));
    const { path } = job.checkpoints.at(-1);
    const verified = await maestro('checkpoint', 'verify', path);
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toMatch(
      /^model\.safetensors +[\d ]+ {2}[0-9a-f]{64} {2}as written$[\s\S]*^valid: step 12, 3 files, [\d.]+ [kM]B, every byte read$/m,
    );

    const drawn = await maestro('reconstruct', job.id, '--out', 'drawn.png', '--count', '4', '--json');
    const report = JSON.parse(drawn.stdout);
    expect(report).toMatchObject({ step: 12, images: 4 });
    expect(report.maskedMse).toBeGreaterThan(0);
    expect((await readFile(join(dir, 'drawn.png'))).subarray(1, 4).toString()).toBe('PNG');
  },
  TIMEOUT_MS,
);

test(
  'a damaged checkpoint is told by file, and reconstruct takes the newest sound one',
  async () => {
    const job = JSON.parse((await maestro('submit', 'job.json', '--follow', '--json')).stdout);
    const last = job.checkpoints.at(-1).path;
    const model = await readFile(join(last, 'model.safetensors'));
    model[model.length - 5]! ^= 1;
    await writeFile(join(last, 'model.safetensors'), model);
    const verified = await maestro('checkpoint', 'verify', last);
    expect(verified).toMatchObject({ code: 1 });
    expect(verified.stdout).toMatch(
      /^model\.safetensors +[\d ]+ {2}[0-9a-f]{64} {2}DIFFERS$[\s\S]*^model\.safetensors has SHA-256 [\s\S]*^INVALID/m,
    );
    const drawn = await maestro('reconstruct', job.id, '--out', 'drawn.png', '--json');
    expect(drawn.stderr).toMatch(/^maestro: step-00000012: model\.safetensors has SHA-256 .*; falling back to step-00000010$/m);
    expect(JSON.parse(drawn.stdout).step).toBe(10);

    // What another job wrote is whole, but not this job's.
    const other = JSON.parse((await maestro('describe', 'tried', '--json')).stdout);
    await rm(last, { recursive: true });
    await cp(other.checkpoints.at(-1).path, last, { recursive: true });
    const writer = `was written by ${other.id} ("tried"), not by ${job.id}, in whose folder it lies`;
    const [own, place, described, listed] = await Promise.all([
      maestro('checkpoint', 'verify', job.id),
      maestro('checkpoint', 'verify', last),
      maestro('describe', job.id),
      maestro('submit', 'job.json', '--resume', job.id, '--dry-run'),
    ]);
    for (const { code, stdout } of [own, place]) expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining(writer) });
    expect(described.stdout).toContain(`step 12  INVALID: state.json ${writer}`);
    expect(listed.stderr).toContain(`${writer}: put the job's own checkpoints back; falling back to step-00000010`);
    expect(JSON.parse(listed.stdout).checkpoint.resumeFrom).toMatch(/step-00000010$/);
  },
  TIMEOUT_MS,
);

test(
  'an exported encoder runs in ONNX Runtime with nothing but images, and gives the features of the evaluation graph',
  async () => {
    const job = JSON.parse((await maestro('submit', 'job.json', '--follow', '--json')).stdout);
    const exported = await maestro('checkpoint', 'export', job.id, '--format', 'onnx', '--out', 'encoder.onnx', '--json');
    expect([exported.code, exported.stderr]).toEqual([0, '']);
    const report = JSON.parse(exported.stdout);
    const { path, hash } = job.checkpoints.at(-1);
    expect(report).toMatchObject({
      step: 12,
      checkpointHash: hash,
      input: { name: 'images', shape: ['N', 1, 16, 16] },
      output: { name: 'features', shape: ['N', 48] },
      mean: [0.5],
      std: [0.5],
    });

    const config = maeConfig(JSON.parse(job.specJson).model);
    const layout = flatLayout(parameterSpecs(config));
    const parameters = new Float32Array(layout.length);
    const { tensors } = await readSafetensors(join(path, 'model.safetensors'));
    for (const { name, offset } of layout.tensors) parameters.set(tensors.find((tensor) => tensor.name === name)!.data, offset);
    const count = 5;
    const { images, idsShuffle } = formulaInputs(config, count);
    const image = new Tensor('float32', images, [count, 1, 16, 16]);
    const evaluation = await InferenceSession.create(buildEvalModel(config), { intraOpNumThreads: 1 });
    const expected = await evaluation.run({
      ...parameterFeeds(layout, parameters),
      images: image,
      ids_shuffle: new Tensor('int64', idsShuffle, [count, patchCount(config)]),
    });
    const encoder = await InferenceSession.create(report.file, { intraOpNumThreads: 1 });
    expect([encoder.inputNames, encoder.outputNames]).toEqual([['images'], ['features']]);
    const { features } = await encoder.run({ images: image });
    expect(features!.dims).toEqual([count, 48]);
    const found = features!.data as Float32Array;
    const wanted = expected['features']!.data as Float32Array;
    const largest = Math.max(...wanted.map(Math.abs));
    expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!))) / largest).toBeLessThan(1e-6);
    await Promise.all([evaluation.release(), encoder.release()]);

    const damaged = join(path, 'model.safetensors');
    await writeFile(damaged, (await readFile(damaged)).subarray(1));
    const refused = await maestro('checkpoint', 'export', path, '--out', 'none.onnx');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('model.safetensors') });
    expect(await readdir(dir)).not.toContain('none.onnx');
  },
  TIMEOUT_MS,
);

test(
  'without a cluster: the graphs of a job file, and what is in a data set',
  async () => {
    const built = await maestro('artifacts', 'build', 'job.json', '--out', 'graphs', '--set', 'model.depth=1', '--json');
    expect([built.code, built.stderr]).toEqual([0, '']);
    const report = JSON.parse(built.stdout);
    expect(report).toMatchObject({ config: { depth: 1, embedDim: 48 }, parameters: { tensors: expect.any(Number) } });
    expect(report.files[0]).toMatchObject({
      name: 'training_model.onnx',
      inputs: expect.arrayContaining(['images float32[N, 1, 16, 16]', `${report.parameters.tensors} for parameters`]),
      outputs: expect.arrayContaining([expect.stringMatching(/^loss float32/), `${report.parameters.tensors} for parameters`]),
    });
    expect((await maestro('artifacts', 'inspect', 'graphs')).stdout).toMatch(
      /^eval_model\.onnx +[\d.]+ [kM]B +.*features float32\[N, 48\]/m,
    );
    expect(await maestro('artifacts', 'build', 'job.json', '--out', 'graphs')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('already exists; remove it or choose another --out'),
    });
    const measured = { recipe: 'knn', data: { format: 'idx', path: 'blobs' }, checkpoint: { resumeFrom: 'somewhere' } };
    await writeFile(join(dir, 'knn.json'), JSON.stringify(measured));
    expect(await maestro('artifacts', 'build', 'knn.json', '--out', 'none')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not train, so it has no graphs; `maestro checkpoint export` writes the encoder'),
    });

    const inspected = JSON.parse((await maestro('dataset', 'inspect', 'blobs', '--json')).stdout);
    expect(inspected).toMatchObject({ format: 'idx', samples: 300, channels: 1, tried: 200, broken: [] });
    expect(inspected.classes.reduce((sum: number, { samples }: { samples: number }) => sum + samples, 0)).toBe(300);
    await mkdir(join(dir, 'pictures', 'cats'), { recursive: true });
    await copyFile(new URL('../../../docs/reconstruction.png', import.meta.url), join(dir, 'pictures', 'cats', 'one.png'));
    await writeFile(join(dir, 'pictures', 'cats', 'two.png'), 'no picture');
    const pictures = await maestro('dataset', 'inspect', 'pictures');
    expect(pictures.code).toBe(1);
    expect(pictures.stdout).toMatch(/^Samples: +2, colour$/m);
    expect(pictures.stdout).toMatch(/^ {2}broken: cats\/two\.png: /m);
  },
  TIMEOUT_MS,
);

test(
  'completion scripts are printed, and ask the cluster for jobs and workers',
  async () => {
    const [bash, zsh] = [await maestro('completion', 'bash'), await maestro('completion', 'zsh')];
    expect(bash.stdout).toContain('complete -F _maestro maestro');
    expect(zsh.stdout).toMatch(/^#compdef maestro/);
    expect((await maestro('__names', 'worker')).stdout.split('\n').sort()).toEqual(['', 'worker-a', 'worker-b']);
    expect((await maestro('__names', 'job')).stdout).toMatch(/^(job-\w+\n)+$/);
    expect(await maestro('--coordinator', '127.0.0.1:9', '__names', 'job')).toMatchObject({ code: 0, stdout: '' });
  },
  TIMEOUT_MS,
);

test(
  'a file is not needed where --set says all; the dry run shows the defaults',
  async () => {
    const keys = ['data.format=idx', 'data.path=blobs', 'schedule.steps=3', 'priority=-2'].flatMap((pair) => ['--set', pair]);
    const { code, stdout, stderr } = await maestro(
      'submit',
      '--recipe',
      'mae-pretrain',
      ...keys,
      '--set',
      'schedule.microBatch=8',
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^Data: +300 samples\nBatch: +64 images per step: 8 virtual ranks x 8 x 1\nSteps: +4 an epoch, 3 in all, 0\.75 epochs$/m,
    );
    expect(stderr).toMatch(
      /^Workers: +2 available, 1 needed\nTime: +about [\d:]+ on the available workers, at the speed of an earlier job here$/m,
    );
    expect(stderr).toContain('maestro: warning: schedule.baseLr: the learning rate becomes 3.75e-5');
    const local = await maestro('--coordinator', '127.0.0.1:9', 'submit', 'job.json', '--dry-run', '--json');
    expect(local.stderr).toBe('maestro: no coordinator answers; checked against this machine only, without workers\n');
    expect(JSON.parse(local.stdout)).toMatchObject({ plan: { samples: 300, workers: 0 }, spec: { name: 'small' } });
    expect(JSON.parse(stdout)).toMatchObject({
      recipe: 'mae-pretrain',
      priority: -2,
      data: { path: join(dir, 'blobs') },
      optimizer: { beta2: 0.95 },
    });
  },
  TIMEOUT_MS,
);

test(
  'mistakes are answered in one line on standard error, with what to do, and exit code 2 where the input was wrong',
  async () => {
    await writeFile(join(dir, 'bad.yaml'), 'data: { format: idx, path: x }\nschedule: { epoch: 3 }\n');
    const tries: [string[], number, string][] = [
      [['submit', 'bad.yaml'], 2, 'schedule.epoch: unknown key, did you mean epochs?'],
      [
        ['submit', 'job.json', '--set', 'data.path=bloobs'],
        1,
        `job file: data.path: there is nothing at ${join(dir, 'bloobs')}; did you mean ${join(dir, 'blobs')}?`,
      ],
      [['submit', 'job.json', '--set', 'data.path=~/x'], 1, 'data.path: ~/x: only a shell expands ~ to a home folder'],
      [['submit', 'job.json', '--set', 'schedule.microBatch=64'], 2, 'schedule: 300 samples do not fill one step of 512'],
      [
        ['submit', 'job.json', '--set', 'model.imageSize=17', '--dry-run'],
        2,
        'model.imageSize: expected a multiple of patchSize (4), found 17',
      ],
      [['submit', 'none.yaml'], 1, 'job file none.yaml: no such file'],
      [['pause', 'tried'], 1, 'is succeeded: a finished job cannot be paused'],
      [['submit'], 2, 'name a job file, or set keys with --set'],
      [['describe', 'job-none'], 1, 'job job-none: not found; `maestro jobs` lists jobs; older ones need their full id'],
      [['checkpoint', 'verify', 'nowhere'], 1, 'no such folder'],
      [['--coordinator', '127.0.0.1:9', 'jobs'], 1, 'no coordinator answers at 127.0.0.1:9; start one with `maestro up`'],
      [['up', '--workers', '0'], 2, 'Expected a whole number of at least 1.'],
      [['jbos'], 2, "unknown command 'jbos'\n(Did you mean jobs?)"],
      [['jobs', '--stat', 'running'], 2, "unknown option '--stat'\n(Did you mean --state?)"],
      [['jobs', '--state', 'done'], 2, 'Allowed choices are queued, starting, running'],
      [['submit', 'jbo.json'], 1, 'job file jbo.json: no such file; did you mean job.json?'],
      [['describe', 'tride'], 1, 'job tride: not found; `maestro jobs` lists jobs; older ones need their full id; did you mean tried?'],
      [['logs', 'small'], 1, 'jobs have this name; use an id: job-'],
      [['checkpoint', 'ls', '@lats'], 1, 'job @lats: not found'],
      [['workers', 'drain', 'worker-q'], 1, 'worker worker-q: not connected; `maestro workers` lists all; did you mean worker-'],
      [['completion', 'fish'], 2, 'completion: fish: expected bash or zsh'],
      [['dataset', 'inspect', 'nowhere'], 1, 'nowhere: no such folder'],
      [['dataset', 'pack', 'nowhere', '--out', 'packed'], 1, 'nowhere: no such folder'],
      [['artifacts', 'inspect', 'blobs'], 1, 'is not an artifacts folder'],
      [['checkpoint', 'export', 'job-none'], 1, 'no valid checkpoint in '],
      [['checkpoint', 'export', 'x', '--format', 'hf'], 2, 'Allowed choices are onnx'],
      [['submit', 'job.json', '--set', 'priority=1000'], 2, 'priority: too big: expected number to be <=100, found 1000'],
    ];
    // A few at a time: what takes long is to start a process.
    for (let first = 0; first < tries.length; first += 4) {
      await Promise.all(
        tries.slice(first, first + 4).map(async ([args, code, message]) => {
          const result = await maestro(...args);
          expect([args, result.code, result.stderr]).toEqual([args, code, expect.stringContaining(message)]);
          expect(result.stdout).toBe('');
        }),
      );
    }
  },
  TIMEOUT_MS,
);

test(
  'doctor finds what this machine has, and says what CUDA lacks',
  async () => {
    const { code, stdout } = await maestro('doctor', '--json');
    const findings: { name: string; ok: boolean }[] = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(findings.filter(({ ok }) => ok).map(({ name }) => name)).toEqual(expect.arrayContaining(['Node', 'Redis', 'ONNX Runtime']));
  },
  TIMEOUT_MS,
);

test(
  'down ends every process of the cluster and forgets it',
  async () => {
    const ended = new Promise((resolve) => cluster.up.once('exit', resolve));
    expect(await maestro('down')).toMatchObject({ code: 0, stdout: 'stopped\n' });
    expect(await ended).toBe(0);
    expect(await readdir(join(dir, '.maestro'))).not.toContain('cluster.json');
    expect(await maestro('down')).toMatchObject({ code: 1 });
  },
  TIMEOUT_MS,
);
