import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectJobClient } from '@maestro/client';
import { errorMessage, identifyProcess, isMaestroError, isRunning, MaestroError, type ProcessIdentity } from '@maestro/protocol';
import { type KeptProcess, keepProcess } from '../cluster/keptProcess.ts';
import { launchNode } from '../cluster/launchNode.ts';
import { workerProgram } from '../cluster/workerProgram.ts';
import { LOOPBACK } from '../network/hostNetwork.ts';
import { cutOff, type Heal, shapeLink } from '../network/linkFaults.ts';
import { type NamespaceNetwork, openNamespaceNetwork } from '../network/namespaceNetwork.ts';
import type { NetworkId } from '../network/networkNames.ts';
import { type ClusterFile, readClusterFile } from '../terminal/connection.ts';
import type { ChaosAction } from './schedule.ts';

/** A cluster of `maestro up`, as a target of faults. */
export interface ChaosTarget {
  /** Performs an action; returns why it was impossible now, such as a missing process. */
  act(action: ChaosAction): Promise<string | undefined>;
  /** Resumes stopped processes, heals the network, and ends the workers that joined. */
  close(): Promise<void>;
}

/**
 * Opens the cluster whose file is in `dataDir`. Its supervisor restarts killed processes; workers that join belong to this process.
 * `onTrouble` is called for faults that could not be undone in time.
 */
export function openChaosTarget(dataDir: string, { onTrouble }: { readonly onTrouble: (sentence: string) => void }): ChaosTarget {
  const joined = new Map<string, KeptProcess>();
  const stopped = new Map<ProcessIdentity, NodeJS.Timeout>();
  const healing = new Map<Heal, NodeJS.Timeout>();
  let network: NamespaceNetwork | undefined;

  const cluster = async (): Promise<ClusterFile> => {
    const file = await readClusterFile(dataDir);
    if (file === undefined) throw new MaestroError('not-found', `chaos: no cluster is running with the data folder ${dataDir}`);
    return file;
  };

  const identityOf = async (name: string): Promise<ProcessIdentity | undefined> => {
    const own = joined.get(name);
    if (own !== undefined) return own.isRunning ? identifyProcess(own.pid) : undefined;
    const process = (await cluster()).processes.find((candidate) => candidate.name === name);
    return process?.isRunning === true ? process : undefined;
  };

  /**
   * Returns true when the signal was sent: a process that has ended, by itself or by an earlier event, gets none, nor does one that reuses
   * its id.
   */
  const send = (target: ProcessIdentity, which: NodeJS.Signals): boolean => {
    try {
      return isRunning(target) && process.kill(target.pid, which);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  };

  const resume = (target: ProcessIdentity): void => {
    clearTimeout(stopped.get(target));
    stopped.delete(target);
    send(target, 'SIGCONT');
  };

  const joinWorker = async (name: string): Promise<void> => {
    const { coordinator, redisUrl, device, threads, network: id } = await cluster();
    if (id !== undefined) network ??= openNamespaceNetwork(id);
    await mkdir(join(dataDir, 'logs'), { recursive: true });
    const place = await (network ?? LOOPBACK).place(name);
    const program = workerProgram(name, { coordinator, redisUrl, dataDir, device, threads }, place, {});
    const kept = keepProcess({ name, launch: () => launchNode(program), isSupervised: () => true, onChange: () => undefined });
    joined.set(name, kept);
    await kept.started;
  };

  /** Asks the coordinator to drain a worker. Returns the problem when the coordinator is unreachable or does not know the worker. */
  const drain = async (name: string): Promise<string | undefined> => {
    const client = connectJobClient((await cluster()).coordinator);
    try {
      await client.drainWorker(name);
      return undefined;
    } catch (error) {
      if (isMaestroError(error, 'unavailable') || isMaestroError(error, 'not-found')) return error.message;
      throw error;
    } finally {
      client.close();
    }
  };

  const heal = async (doIt: Heal): Promise<void> => {
    clearTimeout(healing.get(doIt));
    healing.delete(doIt);
    await doIt();
  };

  /** Disturbs a worker's network for a while. */
  const onNetwork = async (forMs: number, harm: (id: NetworkId) => Promise<Heal>): Promise<string | undefined> => {
    const { network: id } = await cluster();
    if (id === undefined) throw new MaestroError('conflict', 'chaos: the cluster was started without --network-namespaces');
    let doIt: Heal;
    try {
      doIt = await harm(id);
    } catch (error) {
      // The previous fault is not quite healed yet.
      if (isMaestroError(error, 'conflict')) return error.message;
      throw error;
    }
    healing.set(
      doIt,
      setTimeout(() => void heal(doIt).catch((error: unknown) => onTrouble(errorMessage(error))), forMs),
    );
    return undefined;
  };

  return {
    async act(action) {
      if (action.kind === 'join') {
        await joinWorker(action.worker);
        return undefined;
      }
      if (action.kind === 'drain') return drain(action.worker);
      if (action.kind === 'partition') return onNetwork(action.forMs, (id) => cutOff(id, action.worker, action.from));
      if (action.kind === 'delay') return onNetwork(action.forMs, (id) => shapeLink(id, action.worker, { delayMs: action.delayMs }));
      if (action.kind === 'loss') return onNetwork(action.forMs, (id) => shapeLink(id, action.worker, { lossPercent: action.percent }));
      if (action.kind === 'throttle') return onNetwork(action.forMs, (id) => shapeLink(id, action.worker, { kilobits: action.kilobits }));
      const name = action.kind === 'restart' ? action.process : action.worker;
      const target = await identityOf(name);
      if (target === undefined || !send(target, action.kind === 'stop' ? 'SIGSTOP' : 'SIGKILL')) return `${name} is not running`;
      if (action.kind === 'stop') stopped.set(target, setTimeout(resume, action.forMs, target));
      return undefined;
    },
    async close() {
      for (const target of [...stopped.keys()]) resume(target);
      for (const doIt of [...healing.keys()]) await heal(doIt);
      await Promise.all([...joined.values()].map((process) => process.stop()));
      await network?.close();
    },
  };
}
