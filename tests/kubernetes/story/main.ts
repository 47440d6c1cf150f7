import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { runCommand, succeeds } from '../../compose/command.ts';
import { openJobApi } from '../../compose/jobApi.ts';
import { jobsOf } from '../../compose/jobs.ts';
import { type LocalRun, startLocalRun } from '../../compose/localRun.ts';
import { countLine, openReport } from '../../compose/report.ts';
import { type TakeStep, timeStep } from '../../compose/stage.ts';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { type Kubectl, openForward, openKubectl } from './kubectl.ts';
import { writeOverlay } from './overlay.ts';
import { type StoryEnd, tellStory } from './story.ts';

/**
 * `npm run test:kubernetes -- [--context NAME] [--registry REGISTRY/] [--tag TAG] [--pod-networks NETS] [--without-policies] [--keep]`:
 * brings deploy/kubernetes up in a namespace of its own on a cluster that kubectl reaches, trains a job there, harms it, and deletes the
 * namespace. The last line is the count of steps: "N passed, N failed, N skipped".
 */
const { values } = parseArgs({
  options: {
    context: { type: 'string' },
    registry: { type: 'string', default: '' },
    tag: { type: 'string', default: '1' },
    'pod-networks': { type: 'string', default: '10.0.0.0/8' },
    'without-policies': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
/** Of `writeBlobs`: the data set of every test cluster. */
const IMAGES = 300;

const report = openReport();
const { print, counts } = report;
/** As {@link TakeStep} says. */
const step: TakeStep = async (name, work) => {
  if ((await timeStep(name, work, report.add)) === 'failed') throw new MaestroError('conflict', `${name}: failed`);
};

const kubectl = openKubectl({ context: values.context, namespace: `maestro-test-${process.pid}` });
const lack = await findLack(kubectl);
if (lack !== undefined) {
  print(`the Kubernetes test is skipped: ${lack}`);
  print(countLine({ ...counts, skipped: 1 }));
} else {
  const startMs = performance.now();
  await testKubernetes().catch((error: unknown) => {
    if (counts.failed === 0) report.add({ name: 'the story', seconds: 0, note: errorMessage(error), outcome: 'failed' });
  });
  print(`${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
  print(countLine(counts));
  process.exitCode = counts.failed === 0 ? 0 : 1;
}

/** Why the test cannot be done here; undefined when it can. */
async function findLack({ where }: Kubectl): Promise<string | undefined> {
  if (!(await succeeds(['kubectl', 'version', '--client']))) return 'there is no kubectl';
  if (await succeeds(['kubectl', ...where, 'version', '--request-timeout=10s'])) return undefined;
  return 'kubectl reaches no cluster; give one by KUBECONFIG or --context';
}

async function testKubernetes(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-kubernetes-'));
  const forward = openForward(kubectl, 'maestro', 7080);
  let local: LocalRun | undefined;
  try {
    const images = await writeBlobs(join(dir, 'images'), { count: IMAGES });
    const { short, long } = jobsOf('/data');
    await step('the short job on this machine, one worker, no container', async () => {
      local = await startLocalRun(jobsOf);
      return local.shortHash.slice(0, 16);
    });
    const workerImage = `${values.registry}maestro-worker:${values.tag}`;
    const overlay = await writeOverlay(dir, {
      namespace: kubectl.where.at(-1)!,
      coordinatorImage: `${values.registry}maestro-coordinator:${values.tag}`,
      workerImage,
      podNetworks: values['pod-networks'],
    });
    const token = await createNamespace(kubectl);
    const end: StoryEnd = await tellStory({
      kubectl,
      step,
      overlay,
      workerImage,
      images,
      hasPolicies: !values['without-policies'],
      api: openJobApi(() => forward.locate(), token),
      shortJob: { spec: short, hash: local!.shortHash },
      longJob: long,
    });
    await step('the long job has the same bits on this machine', async () => {
      const hash = await local!.hashAt(end.step);
      if (hash !== end.hash) throw new MaestroError('conflict', `at step ${end.step}: ${hash} here, ${end.hash} on the cluster`);
      return `${hash.slice(0, 16)} at step ${end.step}`;
    });
  } catch (error) {
    print(await kubectl(['get', 'pods,pvc,events']).catch(errorMessage));
    throw error;
  } finally {
    forward.stop();
    await local?.stop();
    if (!values.keep)
      await kubectl(['delete', 'namespace', kubectl.where.at(-1)!, '--ignore-not-found']).catch((error: unknown) =>
        print(errorMessage(error)),
      );
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Creates the namespace and what is secret, as docs/guide/kubernetes.md has it; gives the token of an admin. */
async function createNamespace({ where }: Kubectl): Promise<string> {
  const [admin, worker, read, redis] = Array.from({ length: 4 }, () => randomBytes(24).toString('hex'));
  await runCommand(['kubectl', ...where.slice(0, -2), 'create', 'namespace', where.at(-1)!]);
  const literals = {
    'redis-password': redis,
    'worker-token': worker,
    'read-token': read,
    tokens: `me:admin:${admin},workers:worker:${worker},observers:read:${read}`,
  };
  await kubectl([
    'create',
    'secret',
    'generic',
    'maestro',
    ...Object.entries(literals).map(([name, text]) => `--from-literal=${name}=${text}`),
  ]);
  return admin!;
}
