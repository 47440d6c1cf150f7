import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { MaestroError } from '@maestro/protocol';
import { type CommandOptions, runCommand } from '../../compose/command.ts';

/** kubectl, in one namespace of the cluster that the test may use. */
export interface Kubectl {
  /** The options that name the context and the namespace. */
  readonly where: readonly string[];
  /** kubectl ARGS; gives what it prints. @throws MaestroError `internal` with what it said when it fails. */
  (args: readonly string[], options?: CommandOptions): Promise<string>;
}

/** Points kubectl at a context (the current one when left out) and a namespace, which need not be there yet. */
export function openKubectl({ context, namespace }: { readonly context?: string | undefined; readonly namespace: string }): Kubectl {
  const where = [...(context === undefined ? [] : ['--context', context]), '--namespace', namespace];
  return Object.assign((args: readonly string[], options?: CommandOptions) => runCommand(['kubectl', ...where, ...args], options), {
    where,
  });
}

/** Names of the pods with a label `app.kubernetes.io/name`, but for those that are going. */
export async function podsOf(kubectl: Kubectl, name: string): Promise<string[]> {
  const list = JSON.parse(await kubectl(['get', 'pods', '--selector', `app.kubernetes.io/name=${name}`, '--output', 'json'])) as {
    readonly items: readonly { readonly metadata: { readonly name: string; readonly deletionTimestamp?: string } }[];
  };
  return list.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
}

/** A way from this machine to a service's port. */
export interface Forward {
  /** host:port on this machine. A forward ends with the pod that it leads to: then there is a new one. */
  locate(): Promise<string>;
  stop(): void;
}

/** Forwards a free port of this machine to a service, with `kubectl port-forward`. */
export function openForward(kubectl: Kubectl, service: string, port: number): Forward {
  let current: { readonly child: ChildProcess; readonly address: Promise<string> } | undefined;
  const start = (): Promise<string> => {
    const args = [...kubectl.where, 'port-forward', `service/${service}`, `:${port}`];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit').then(() => {
      current = undefined;
      throw new MaestroError('unavailable', `kubectl ${args.join(' ')} ended`);
    });
    const lines = createInterface({ input: child.stdout });
    const found = new Promise<string>((resolve) => {
      lines.on('line', (line) => {
        const at = /^Forwarding from (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (at !== undefined) resolve(at);
      });
    });
    const address = Promise.race([found, ended]);
    address.catch(() => undefined);
    ended.catch(() => undefined);
    current = { child, address };
    return address;
  };
  return {
    locate: () => current?.address ?? start(),
    stop: () => void current?.child.kill('SIGTERM'),
  };
}
