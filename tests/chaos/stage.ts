import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobRecord, recordJob, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, type JobSpec } from '@maestro/protocol';
import { eventually } from '../support/eventually.ts';
import { startTcpProxy } from '../support/network/tcpProxy.ts';
import type { Scenario, Stage, WorkerProxies } from './scenario.ts';

/** Deadline of everything a scenario waits for. */
const PATIENCE_MS = 45_000;
/** Slows each step down where a script acts on the running job: it must not end before the script has seen what it waits for. */
const PACE = '*/forward/slow';

/** A stage with the parts that only the runner uses. */
export interface OpenStage {
  readonly stage: Stage;
  /** Returns the record of the job submitted last. */
  record(): JobRecord;
  /** Times of faults, in milliseconds since the epoch. */
  readonly marks: readonly number[];
  /** Returns the workers whose faults have not struck. */
  spared(): string[];
  close(): Promise<void>;
}

/** Starts a cluster for the scenario, with its data in `dir`, and submits the job to it. */
export async function openStage(
  { workers = 2, faults = {}, isProxied = false, act }: Scenario,
  { dir, spec, failureTimeoutMs }: { readonly dir: string; readonly spec: JobSpec; readonly failureTimeoutMs: number },
): Promise<OpenStage> {
  const marks: number[] = [];
  const struck = new Set<string>();
  const faulty = new Set<string>();
  const proxies = new Map<string, WorkerProxies>();
  const cluster = await startCluster({
    workers: 0,
    dataDir: dir,
    env: { MAESTRO_FAILURE_TIMEOUT_MS: String(failureTimeoutMs) },
    onMessage: (name, message) => {
      if (typeof message !== 'object' || message === null || !('fault' in message)) return;
      marks.push(Date.now());
      struck.add(name);
    },
  });
  const client = connectJobClient(cluster.coordinator);
  const socketOf = (worker: string): string => join(dir, `${worker}.sock`);

  /** Returns a worker's variables, if it is to reach the others through proxies. */
  const throughProxies = async (worker: string): Promise<Record<string, string>> => {
    if (!isProxied) return {};
    const redis = new URL(cluster.redisUrl);
    const between = proxies.get(worker) ?? {
      coordinator: await startTcpProxy(cluster.coordinator),
      redis: await startTcpProxy(redis.host),
      peers: await startTcpProxy(`unix:${socketOf(worker)}`),
    };
    proxies.set(worker, between);
    return {
      MAESTRO_COORDINATOR: between.coordinator.address,
      MAESTRO_REDIS_URL: `redis://${between.redis.address}`,
      MAESTRO_COLLECTIVE_LISTEN: `unix:${socketOf(worker)}`,
      MAESTRO_COLLECTIVE_ADVERTISE: between.peers.address,
    };
  };
  const variables = async (name: string, own: string | undefined): Promise<Record<string, string>> => ({
    ...(await throughProxies(name)),
    MAESTRO_FAULTS: [own ?? [], act === undefined ? [] : PACE].flat().join(','),
  });
  const addWorker: Stage['addWorker'] = async (name, { faults: own } = {}) => {
    if (own !== undefined) faulty.add(name);
    await cluster.addWorker({ name, env: await variables(name, own) });
  };

  try {
    for (let i = 0; i < workers; i++) {
      const name = `worker-${String.fromCharCode(97 + i)}`;
      await addWorker(name, { ...(faults[name] !== undefined && { faults: faults[name] }) });
    }
    await cluster.connected(workers);
    let jobId = (await client.submitJob({ spec })).id;
    const records = [recordJob(cluster.coordinator, jobId)];
    const record = (): JobRecord => records.at(-1)!;
    const until: Stage['until'] = (condition, holds) => record().until(condition, holds, { timeoutMs: PATIENCE_MS });
    const mark = (): void => void marks.push(Date.now());
    return {
      record,
      marks,
      spared: () => [...faulty].filter((name) => !struck.has(name)),
      stage: {
        cluster,
        client,
        jobId: () => jobId,
        until,
        mark,
        addWorker,
        atStep: (step) => until(`step ${step}`, ({ progress }) => (progress?.step ?? 0) >= step),
        kill(...names) {
          mark();
          for (const name of names) cluster.kill(name);
        },
        async restartWorker(name) {
          cluster.kill(name);
          await cluster.ended(name);
          await rm(socketOf(name), { force: true }); // a killed process leaves its socket behind, which cannot be bound again
          await cluster.restart(name, { env: await variables(name, undefined) });
        },
        proxies(worker) {
          const found = proxies.get(worker);
          if (found === undefined) throw new Error(`${worker} has no proxies; give the scenario isProxied`);
          return found;
        },
        async resubmit({ maxWorkers }) {
          await client.cancelJob(jobId);
          const { checkpoints } = await until('its end', ({ state }) => isTerminal(state));
          const resumeFrom = checkpoints.at(-1)!.path;
          const resources = { ...spec.resources, minWorkers: 1, maxWorkers };
          jobId = (await client.submitJob({ spec: { ...spec, resources, checkpoint: { ...spec.checkpoint, resumeFrom } } })).id;
          records.push(recordJob(cluster.coordinator, jobId));
        },
        struck: async (worker) => {
          await eventually(`a fault in ${worker}`, () => struck.has(worker), { timeoutMs: PATIENCE_MS });
        },
      },
      async close() {
        await Promise.all(records.map((one) => one.close()));
        client.close();
        for (const { coordinator, redis, peers } of proxies.values()) for (const proxy of [coordinator, redis, peers]) proxy.heal();
        await cluster.stop();
        await Promise.all(
          [...proxies.values()].flatMap(({ coordinator, redis, peers }) => [coordinator.close(), redis.close(), peers.close()]),
        );
      },
    };
  } catch (error) {
    client.close();
    await cluster.stop();
    throw error;
  }
}
