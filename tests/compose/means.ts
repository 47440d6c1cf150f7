import { runCommand, succeeds } from './command.ts';

/** What the test can be done with here. */
export interface Means {
  /** docker-compose, in words. */
  readonly compose: readonly string[];
  /** Whether it starts an engine of its own; else it uses the one that runs. */
  readonly isPrivate: boolean;
}

/** Debian's packages of what is needed. */
const PACKAGES = ['docker.io', 'docker-compose', 'iptables', 'iproute2'];

/** Finds the means, or why there are none. */
export async function findMeans(): Promise<Means | string> {
  if (!(await succeeds(['docker', '--version']))) return `there is no docker command; ${advice()}`;
  const compose = (await succeeds(['docker-compose', 'version'])) ? ['docker-compose'] : ['docker', 'compose'];
  if (!(await succeeds([...compose, 'version']))) return `there is no docker-compose; ${advice()}`;
  if (await succeeds(['docker', 'info', '--format', '{{if .ServerErrors}}{{fail}}{{end}}'])) return { compose, isPrivate: false };
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'no Docker engine runs, and only root on Linux may start one';
  for (const program of ['dockerd', 'docker-init', 'containerd', 'iptables', 'ip', 'redis-cli'])
    if (!(await succeeds(['sh', '-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`]))) return `there is no ${program}; ${advice()}`;
  const isAllowed = await succeeds(['unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', 'true']);
  return isAllowed ? { compose, isPrivate: true } : 'no Docker engine runs, and namespaces for one of our own are not allowed here';
}

/** Installs with apt-get what is missing; only when it was asked for. Nothing is started. */
export async function installMeans(): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' };
  await runCommand(['apt-get', 'update', '-qq'], { env });
  await runCommand(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...PACKAGES], { env });
}

function advice(): string {
  return `\`npm run test:compose -- --install\` gets ${PACKAGES.join(', ')} with apt-get`;
}
