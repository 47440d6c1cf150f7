import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { runCommand, succeeds } from './command.ts';

/** A Docker engine of our own. */
export interface Engine {
  /** Ends it and waits until it has ended. */
  stop(): Promise<void>;
}

/**
 * Starts a Docker engine whose images, containers and volumes are below `dir`, and points the Docker commands of this process at it.
 * Without `hasNetworks` it builds images only, with the network of this process, and leaves the machine's bridges and rules for packets
 * alone.
 */
export async function startEngine(dir: string, { hasNetworks }: { readonly hasNetworks: boolean }): Promise<Engine> {
  await mkdir(dir, { recursive: true });
  const host = `unix://${join(dir, 'docker.sock')}`;
  const log = openSync(join(dir, 'dockerd.log'), 'a');
  const paths = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'dockerd.pid'), '-H', host];
  const networks = hasNetworks ? [] : ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'];
  if (hasNetworks) await runCommand(['ip', 'link', 'set', 'lo', 'up']);
  const engine: ChildProcess = spawn('dockerd', [...paths, ...networks], { stdio: ['ignore', log, log] });
  closeSync(log);
  process.env['DOCKER_HOST'] = host;
  await eventually('the Docker engine', () => {
    if (engine.exitCode !== null) throw new Error(`dockerd ended with exit code ${engine.exitCode}; see ${join(dir, 'dockerd.log')}`);
    return succeeds(['docker', 'version'], { timeoutMs: 5000 });
  });
  return {
    async stop() {
      if (engine.exitCode !== null) return;
      const ended = once(engine, 'exit');
      engine.kill('SIGTERM');
      await ended;
    },
  };
}
