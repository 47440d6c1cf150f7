import { errorMessage } from '@maestro/protocol';
import { runCommand, succeeds } from './command.ts';

/** What the test can be done with here. */
export interface Means {
  /** Compose, in words: `docker compose` where there is that, else docker-compose. */
  readonly compose: readonly string[];
  /** Whether it starts an engine of its own; else it uses the one that runs. */
  readonly isPrivate: boolean;
}

/** Debian's packages of what is needed. */
const PACKAGES = ['docker.io', 'docker-compose', 'iptables', 'iproute2', 'redis-tools', 'prometheus'];
/** Another apt-get of this machine is waited for. */
const APT = ['-qq', '-o', 'DPkg::Lock::Timeout=300'];

/** Finds the means, or why there are none. */
export async function findMeans(): Promise<Means | string> {
  if (!(await succeeds(['docker', '--version']))) return `there is no docker command; ${advice()}`;
  const compose = (await succeeds(['docker', 'compose', 'version'])) ? ['docker', 'compose'] : ['docker-compose'];
  if (!(await succeeds([...compose, 'version']))) return `there is no docker compose; ${advice()}`;
  if (await succeeds(['docker', 'info', '--format', '{{if .ServerErrors}}{{fail}}{{end}}'])) return { compose, isPrivate: false };
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'no Docker engine runs, and only root on Linux may start one';
  for (const program of ['dockerd', 'docker-init', 'containerd', 'iptables', 'ip', 'redis-cli'])
    if (!(await succeeds(['sh', '-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`]))) return `there is no ${program}; ${advice()}`;
  const isAllowed = await succeeds(['unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', 'true']);
  return isAllowed ? { compose, isPrivate: true } : 'no Docker engine runs, and namespaces for one of our own are not allowed here';
}

/** Installs with apt-get what is missing, Prometheus too; only when it was asked for. Nothing is started. Gives why it could not. */
export async function installMeans(): Promise<string | undefined> {
  if (typeof (await findMeans()) !== 'string' && (await hasPrometheus())) return undefined;
  if (process.getuid?.() !== 0 || !(await succeeds(['apt-get', '--version']))) return 'only root on Debian can install it';
  const env = { DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' };
  try {
    await runCommand(['apt-get', ...APT, 'update'], { env });
    await runCommand(['apt-get', ...APT, 'install', '-y', '--no-install-recommends', ...PACKAGES], { env });
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Prometheus takes part where this machine has it. */
export function hasPrometheus(): Promise<boolean> {
  return succeeds(['prometheus', '--version']);
}

function advice(): string {
  return `\`npm run test:compose -- --install\` gets ${PACKAGES.join(', ')} with apt-get`;
}
