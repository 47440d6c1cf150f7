import { errorMessage, isMaestroError } from '@maestro/protocol';
import { namespaceOf } from './networkNames.ts';
import { ip, runTool } from './runTool.ts';

/** What this machine lacks for networks of namespaces: for each ability why it is not there; absent when it is. */
export interface NetworkLacks {
  /** Namespaces, cables between them and bridges. */
  readonly namespaces?: string;
  /** Later delivery, by `tc` with netem. */
  readonly delay?: string;
  /** A limit of bytes a second, by `tc` with tbf. */
  readonly throttle?: string;
}

/** The words after `tc qdisc replace dev NAME root` that make a link slow to deliver, or narrow. */
export const shaping = {
  delay: (ms: number): string => `netem delay ${ms}ms`,
  /** The queue is long, so that it delays and does not drop what windows of a few megabytes put into it. */
  throttle: (kilobits: number): string => `tbf rate ${kilobits}kbit burst 64kb limit 8mb`,
} as const;

/** Finds out by trying, in a namespace of its own. */
export async function networkLacks(): Promise<NetworkLacks> {
  const name = namespaceOf({ owner: process.pid, subnet: '' }, 'probe');
  const failure = async (attempt: () => Promise<unknown>): Promise<string | undefined> =>
    attempt().then(
      () => undefined,
      (error: unknown) => (isMaestroError(error) ? String(error.details['said']) : errorMessage(error)),
    );
  if (process.platform !== 'linux') return allFor(`network namespaces are Linux's; this is ${process.platform}`);
  const made = await failure(() => ip(`netns add ${name}`));
  if (made !== undefined) return allFor(process.getuid?.() === 0 ? made : `only root may make network namespaces (${made})`);
  try {
    const namespaces = await failure(async () => {
      await ip(`-n ${name} link add cable type veth peer name end`);
      await ip(`-n ${name} link add bridge type bridge`);
    });
    if (namespaces !== undefined) return allFor(namespaces);
    const shape = async (words: string): Promise<string | undefined> => {
      const said = await failure(() => runTool('ip', `netns exec ${name} tc qdisc replace dev cable root ${words}`.split(' ')));
      return said === undefined ? undefined : `the kernel has no ${words.split(' ')[0]} (tc: ${said})`;
    };
    const delay = await shape(shaping.delay(1));
    const throttle = await shape(shaping.throttle(1000));
    return { ...(delay !== undefined && { delay }), ...(throttle !== undefined && { throttle }) };
  } finally {
    await ip(`netns del ${name}`);
  }
}

function allFor(reason: string): NetworkLacks {
  return { namespaces: reason, delay: reason, throttle: reason };
}
