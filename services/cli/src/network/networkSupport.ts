import { errorMessage, isMaestroError } from '@maestro/protocol';
import { startWire } from './layWire.ts';
import { disciplines, tcIn } from './linkFaults.ts';
import { namespaceOf } from './networkNames.ts';
import { ip } from './runTool.ts';

/** Reasons why this machine lacks an ability of namespace networks; absent for those it has. */
export interface NetworkLacks {
  /** Namespaces, cables between them and bridges. */
  readonly namespaces?: string;
  /** Delay: by `tc` with netem, or by our own wire. */
  readonly delay?: string;
  /** Packet loss; has the same requirements. */
  readonly loss?: string;
  /** Rate limit, by `tc` with tbf. */
  readonly throttle?: string;
}

/** Finds out by trying, in a separate namespace. */
export async function networkLacks(): Promise<NetworkLacks> {
  const name = namespaceOf({ owner: process.pid, subnet: '' }, 'probe');
  const failure = async (attempt: () => Promise<unknown>): Promise<string | undefined> =>
    attempt().then(
      () => undefined,
      (error: unknown) => (isMaestroError(error) ? String(error.details['said']) : errorMessage(error)),
    );
  if (process.platform !== 'linux') return allFor(`network namespaces need Linux; this is ${process.platform}`);
  const made = await failure(() => ip(`netns add ${name}`));
  if (made !== undefined) return allFor(process.getuid?.() === 0 ? made : `creating network namespaces needs root (${made})`);
  try {
    const namespaces = await failure(async () => {
      await ip(`-n ${name} link add cable type veth peer name end`);
      await ip(`-n ${name} link add bridge type bridge`);
    });
    if (namespaces !== undefined) return allFor(namespaces);
    const tc = tcIn(name);
    const hasNoNetem = await failure(() => tc(`add dev cable root ${disciplines.netem({ delayMs: 1, lossPercent: 1 })}`));
    const hasNoWire = hasNoNetem && (await failure(() => tryWire(name)));
    const delay = hasNoWire && `the kernel has no netem (tc: ${hasNoNetem}); ${hasNoWire}`;
    const hasNoTbf = await failure(() => tc(`replace dev cable root ${disciplines.tbf(1000)}`));
    const throttle = hasNoTbf && `the kernel has no tbf (tc: ${hasNoTbf})`;
    return { ...(delay && { delay, loss: delay }), ...(throttle && { throttle }) };
  } finally {
    await ip(`netns del ${name}`);
  }
}

function allFor(reason: string): NetworkLacks {
  return { namespaces: reason, delay: reason, loss: reason, throttle: reason };
}

async function tryWire(namespace: string): Promise<void> {
  const wire = await startWire(namespace, { near: 'near', far: 'far', law: { delayMs: 1, lossPercent: 0, seed: 0 } });
  await wire.end();
}
