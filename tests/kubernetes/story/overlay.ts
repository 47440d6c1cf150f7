import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileOf } from '../../support/repository.ts';

/** What is under test, and where it may be. */
export interface OverlayOptions {
  readonly namespace: string;
  /** The images that nodes pull, or have already. */
  readonly coordinatorImage: string;
  readonly workerImage: string;
  /** Networks that pods have their addresses from. */
  readonly podNetworks: string;
}

/** Makes less of what the base asks for, so that five pods fit on one small node; nothing else is changed. */
const PATCHES = `
  - target: { kind: StatefulSet, name: maestro-worker }
    patch: |
      - { op: replace, path: /spec/template/spec/containers/0/resources/requests, value: { cpu: 100m, memory: 256Mi } }
  - target: { kind: StatefulSet, name: maestro-worker }
    patch: |
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: { name: maestro-worker }
      spec: { template: { spec: { containers: [{ name: worker, env: [{ name: MAESTRO_THREADS, value: "1" }] }] } } }
  - target: { kind: Deployment, name: maestro-coordinator }
    patch: |
      - { op: replace, path: /spec/template/spec/containers/0/resources/requests, value: { cpu: 100m, memory: 256Mi } }
  - target: { kind: StatefulSet, name: maestro-redis }
    patch: |
      - { op: replace, path: /spec/template/spec/containers/0/resources/requests, value: { cpu: 100m, memory: 64Mi } }
      - { op: replace, path: /spec/volumeClaimTemplates/0/spec/resources/requests/storage, value: 1Gi }
  - target: { kind: PersistentVolumeClaim }
    patch: |
      - { op: replace, path: /spec/resources/requests/storage, value: 1Gi }
`;

/**
 * Writes an overlay of deploy/kubernetes/base as docs/guide/kubernetes.md has people write theirs, into a new folder below `dir`; gives the
 * folder.
 */
export async function writeOverlay(
  dir: string,
  { namespace, coordinatorImage, workerImage, podNetworks }: OverlayOptions,
): Promise<string> {
  const folder = join(dir, 'overlay');
  await mkdir(folder);
  await writeFile(
    join(folder, 'kustomization.yaml'),
    `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ${namespace}
resources: ["${relative(folder, fileOf('deploy/kubernetes/base'))}"]
images:
${imageOf('maestro-coordinator', coordinatorImage)}${imageOf('maestro-worker', workerImage)}configMapGenerator:
  - name: maestro
    behavior: merge
    literals: ["MAESTRO_TRUSTED_NETWORK=${podNetworks}"]
patches:${PATCHES}`,
  );
  return folder;
}

function imageOf(name: string, image: string): string {
  const [, newName, newTag = 'latest'] = /^(.+?)(?::([^:/]+))?$/.exec(image)!;
  return `  - { name: ${name}, newName: "${newName}", newTag: "${newTag}" }\n`;
}
