import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kubectl } from './kubectl.ts';

/** A pod that mounts the volume of images. No policy lets it reach anybody: to everyone else of the namespace it is a stranger. */
const NAME = 'images';

/** Starts the pod and waits until it is ready. */
export async function startImagesPod(kubectl: Kubectl, image: string): Promise<void> {
  const idle = 'setTimeout(() => {}, 2 ** 31 - 1); process.once("SIGTERM", () => process.exit(0))';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: NAME },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: NAME,
          image,
          command: ['node', '-e', idle],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'images', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'images', persistentVolumeClaim: { claimName: 'maestro-images' } }],
    },
  };
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify(pod) });
  await kubectl(['wait', '--for=condition=Ready', `pod/${NAME}`, '--timeout=180s']);
}

/** Copies a folder of files into the volume; gives how many there were. */
export async function copyImages(kubectl: Kubectl, folder: string): Promise<number> {
  const names = await readdir(folder);
  for (const name of names)
    await kubectl(['exec', '--stdin', NAME, '--', 'sh', '-c', `cat > '/data/${name}'`], { input: await readFile(join(folder, name)) });
  return names.length;
}

const CONNECT = `
const socket = require('node:net').connect({ host: process.argv[1], port: Number(process.argv[2]) });
const end = (what) => { console.log(what); process.exit(0); };
socket.once('connect', () => end('open')).once('error', (error) => end(error.code)).setTimeout(3000, () => end('no answer'));
`;

/** What a pod meets at a port: `open`, `no answer`, or the code of the error. */
export async function knock(kubectl: Kubectl, pod: string, host: string, port: number): Promise<string> {
  return (await kubectl(['exec', pod, '--', 'node', '-e', CONNECT, host, `${port}`])).trim();
}

/** {@link knock} from the pod that nobody lets in. */
export const knockAsStranger = (kubectl: Kubectl, host: string, port: number): Promise<string> => knock(kubectl, NAME, host, port);
