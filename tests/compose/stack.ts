import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { fileOf } from '../support/repository.ts';
import { runCommand } from './command.ts';
import type { StageConfig } from './stage.ts';

/** The stack of docker-compose.yml as this test runs it. */
export interface Stack {
  /** docker-compose ARGS with its file, project and settings; gives what it prints. `env` goes before the settings. */
  compose(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  /** Ids of a service's containers that run. */
  containers(service: string): Promise<string[]>;
  /** One value of `docker inspect`, by its Go template. */
  inspect(container: string, template: string): Promise<string>;
  /** Runs a program in a container; gives what it prints. */
  exec(container: string, command: readonly string[]): Promise<string>;
  /** host:port at which this machine reaches a port of a service; another after each start of it. */
  address(service: string, port: number): Promise<string>;
  /** Kills a container's first process as the kernel would for want of memory, and waits until Docker has started it again. */
  crash(container: string): Promise<void>;
  /** Waits until all containers of a service are healthy. */
  healthy(service: string, count: number): Promise<void>;
}

/** The stack's settings are in `.env` of the run's folder. */
export function openStack({ dir, compose: command, tag }: Pick<StageConfig, 'dir' | 'compose' | 'tag'>): Stack {
  const file = ['--file', fileOf('docker-compose.yml'), '--project-name', tag, '--env-file', join(dir, '.env')];
  const compose: Stack['compose'] = (args, env = {}) => runCommand([...command, ...file, ...args], { env });
  const inspect: Stack['inspect'] = async (container, template) =>
    (await runCommand(['docker', 'inspect', '--format', template, container])).trim();
  const containers: Stack['containers'] = async (service) => {
    const labels = [`com.docker.compose.project=${tag}`, `com.docker.compose.service=${service}`];
    const ids = await runCommand(['docker', 'ps', '--quiet', ...labels.map((label) => `--filter=label=${label}`)]);
    return ids.split('\n').filter((id) => id !== '');
  };
  return {
    compose,
    containers,
    inspect,
    exec: (container, program) => runCommand(['docker', 'exec', container, ...program]),
    async address(service, port) {
      const [container] = await containers(service);
      const listed = await runCommand(['docker', 'port', container ?? service, `${port}`]);
      return listed.split('\n')[0]!;
    },
    async crash(container) {
      const before = await inspect(container, '{{.RestartCount}}');
      process.kill(Number(await inspect(container, '{{.State.Pid}}')), 'SIGKILL');
      await eventually(
        `${container} to be started again`,
        async () => (await inspect(container, '{{.RestartCount}} {{.State.Running}}')) === `${Number(before) + 1} true`,
        { pollMs: 100 },
      );
    },
    async healthy(service, count) {
      await eventually(
        `${count} healthy ${service}`,
        async () => {
          const states = await Promise.all((await containers(service)).map((id) => inspect(id, '{{.State.Health.Status}}')));
          return states.length === count && states.every((state) => state === 'healthy');
        },
        { pollMs: 200 },
      );
    },
  };
}
