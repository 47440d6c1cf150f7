import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { at, everywhere, type Labels, listAt, type Manifest, readManifests, selects } from './manifests.ts';
import { openSchemas } from './schemas.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const manifests = await readManifests();
const [check, checkPart] = [await openSchemas(), await openSchemas({ isPart: true })];

const isKustomization = ({ kind }: Manifest): boolean => kind === 'Kustomization' || kind === 'Component';
/** Patches of an overlay are parts of resources. */
const isPatch = ({ file }: Manifest): boolean => file.startsWith('overlays/') && !file.endsWith('kustomization.yaml');
const resources = manifests.filter((each) => !isKustomization(each) && !isPatch(each));
const nameOf = ({ file, kind, metadata }: Manifest): string => `${file}: ${kind} ${metadata?.name}`;
const ofKind = (...kinds: string[]): Manifest[] => resources.filter(({ kind }) => kinds.includes(kind));
/** Whose kind only an operator knows: what it makes of it has labels and ports of its own. */
const isOperators = ({ file }: Manifest): boolean => file.startsWith('components/redis-operator/');

interface Workload {
  readonly manifest: Manifest;
  readonly labels: Labels;
  readonly pod: unknown;
  readonly containers: readonly unknown[];
}
const workloads = ofKind('Deployment', 'StatefulSet').map((manifest): Workload => {
  const template = at(manifest.body, 'spec', 'template');
  const labels = at(template, 'metadata', 'labels') as Labels;
  return { manifest, labels, pod: at(template, 'spec'), containers: listAt(template, 'spec', 'containers') };
});
const workload = (name: string): Workload => workloads.find(({ manifest }) => manifest.metadata?.name === name)!;
const portsOf = ({ containers }: Workload) =>
  containers.flatMap((container) => listAt(container, 'ports')) as { readonly name: string; readonly containerPort: number }[];
const envOf = ({ containers }: Workload) =>
  containers.flatMap((container) => listAt(container, 'env')) as { readonly name: string; readonly value?: string }[];

test('every resource and patch is as the schemas of Kubernetes and KEDA have it', () => {
  const checked = resources.filter(({ kind }) => kind !== 'Redis');
  expect(checked.length).toBeGreaterThan(18);
  for (const each of checked) expect([nameOf(each), check(`${each.apiVersion}/${each.kind}`, each.body)]).toEqual([nameOf(each), []]);
  const patches = manifests.filter(isPatch);
  expect(patches.length).toBeGreaterThan(0);
  for (const each of patches) expect([nameOf(each), checkPart(`${each.apiVersion}/${each.kind}`, each.body)]).toEqual([nameOf(each), []]);
});

test('an unknown field, a wrong type and a missing field are refused, at any depth', () => {
  for (const { manifest } of workloads) {
    const kind = `${manifest.apiVersion}/${manifest.kind}`;
    const changed = (change: (body: Record<string, unknown>) => void): string[] => {
      const body = structuredClone(manifest.body) as Record<string, unknown>;
      change(body);
      return check(kind, body);
    };
    const container = (body: unknown): Record<string, unknown> =>
      at(body, 'spec', 'template', 'spec', 'containers', 0) as Record<string, unknown>;
    expect(changed((body) => (container(body)['readynessProbe'] = {})).join()).toContain('readynessProbe');
    expect(changed((body) => ((at(body, 'spec') as Record<string, unknown>)['replicas'] = '2')).join()).toContain('replicas');
    expect(changed((body) => delete container(body)['name']).join()).toContain('name');
    expect(changed(() => undefined)).toEqual([]);
  }
  expect(check('apps/v1/Deploiment', {}).join()).toContain('no schema');
});

test('kustomizations name files that are there, and no file is left out', () => {
  const used = manifests.filter(isKustomization).flatMap(({ file, body }) => [
    file,
    ...[...listAt(body, 'resources'), ...listAt(body, 'components'), ...listAt(body, 'patches').map((patch) => at(patch, 'path'))]
      .filter((path) => path !== undefined)
      .map((path) => normalize(join(dirname(file), String(path))))
      .map((path) => (path.endsWith('.yaml') ? path : join(path, 'kustomization.yaml'))),
  ]);
  expect(new Set([...used, 'secret.example.yaml'])).toEqual(new Set(manifests.map(({ file }) => file)));
});

test('selectors find the pods that they are for', () => {
  for (const { manifest, labels } of workloads) {
    expect(selects(at(manifest.body, 'spec', 'selector', 'matchLabels') as Labels, labels)).toBe(true);
    const service = at(manifest.body, 'spec', 'serviceName');
    if (service !== undefined) expect(ofKind('Service').map(({ metadata }) => metadata?.name)).toContain(service);
  }
  const selectors = [
    ...ofKind('Service').map((each) => [nameOf(each), at(each.body, 'spec', 'selector')]),
    ...ofKind('PodDisruptionBudget').map((each) => [nameOf(each), at(each.body, 'spec', 'selector', 'matchLabels')]),
    ...ofKind('NetworkPolicy')
      .filter((each) => !isOperators(each))
      .flatMap((each) => everywhere(each.body, 'podSelector').map((selector) => [nameOf(each), at(selector, 'matchLabels') ?? {}])),
  ] as [string, Labels][];
  for (const [name, selector] of selectors) expect([name, workloads.some(({ labels }) => selects(selector, labels))]).toEqual([name, true]);
  for (const each of ofKind('ScaledObject')) {
    const { kind, name } = at(each.body, 'spec', 'scaleTargetRef') as { readonly kind: string; readonly name: string };
    expect(workload(name).manifest.kind).toBe(kind);
  }
});

test('services, policies and probes name ports that pods have, and those are where the processes listen', () => {
  const targets = [
    ...ofKind('Service').map((each) => [each, at(each.body, 'spec', 'selector'), listAt(each.body, 'spec', 'ports'), 'targetPort']),
    ...ofKind('NetworkPolicy')
      .filter((each) => !isOperators(each))
      .map((each) => [each, at(each.body, 'spec', 'podSelector', 'matchLabels') ?? {}, everywhere(each.body, 'ports').flat(), 'port']),
  ] as [Manifest, Labels, unknown[], string][];
  for (const [manifest, selector, ports, field] of targets) {
    const found = workloads.filter(({ labels }) => selects(selector, labels)).flatMap(portsOf);
    for (const port of ports) {
      expect([nameOf(manifest), found.map(({ name }) => name)]).toEqual([nameOf(manifest), expect.arrayContaining([at(port, field)])]);
      if (field === 'targetPort') expect(at(port, 'port')).toBe(found.find(({ name }) => name === at(port, field))!.containerPort);
    }
  }
  for (const each of workloads) {
    const ports = portsOf(each);
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].flatMap((probe) => everywhere(each.pod, probe));
    expect([nameOf(each.manifest), probes.length]).toEqual([nameOf(each.manifest), 3 * each.containers.length]);
    for (const probe of probes) {
      const port = at(probe, 'httpGet', 'port');
      if (port !== undefined) expect(ports.map(({ name }) => name)).toContain(port);
    }
    const listened = envOf(each).flatMap(({ name, value }) => (name.endsWith('_LISTEN') ? [Number(value!.split(':').at(-1))] : []));
    if (each.manifest.metadata?.name !== 'maestro-redis')
      expect(ports.map(({ containerPort }) => containerPort).sort()).toEqual(listened.sort());
  }
  const addresses = workloads
    .flatMap(envOf)
    .flatMap(({ name, value }) => (/(_URL|_COORDINATOR)$/.test(name) ? [/([a-z-]+):(\d+)$/.exec(value!)!] : []));
  expect(addresses.length).toBe(3);
  for (const [, host, port] of addresses) {
    const service = ofKind('Service').find(({ metadata }) => metadata?.name === host);
    expect(listAt(service?.body, 'spec', 'ports').map((each) => at(each, 'port'))).toContain(Number(port));
  }
});

test('variables are ones that the processes know, and what they refer to is there', async () => {
  const reference = await readFile(join(ROOT, 'docs/reference/configuration.md'), 'utf8');
  const literals = listAt(manifests.find(({ file }) => file === 'base/kustomization.yaml')?.body, 'configMapGenerator', 0, 'literals').map(
    (literal) => String(literal).split('=')[0]!,
  );
  const names = [...manifests.flatMap(({ body }) => everywhere(body, 'env').flat()).map((entry) => String(at(entry, 'name'))), ...literals];
  const ours = names.filter((name) => name.startsWith('MAESTRO_'));
  expect(ours.length).toBeGreaterThan(15);
  for (const name of ours) expect(reference).toContain(`| \`${name}\` |`);
  for (const each of workloads) {
    const known = envOf(each).map(({ name }) => name);
    for (const { name, value = '' } of envOf(each)) {
      // Kubernetes fills in what stands earlier in the list.
      for (const [, used] of value.matchAll(/\$\(([A-Z_]+)\)/g)) expect(known.slice(0, known.indexOf(name))).toContain(used);
    }
  }
  const secret = Object.keys(at(ofKind('Secret')[0]?.body, 'stringData') as object);
  for (const reference of resources.flatMap(({ body }) => everywhere(body, 'secretKeyRef'))) {
    expect([at(reference, 'name'), secret]).toEqual(['maestro', expect.arrayContaining([at(reference, 'key')])]);
  }
  const claims = ofKind('PersistentVolumeClaim').map(({ metadata }) => metadata?.name);
  for (const claim of workloads.flatMap(({ pod }) => everywhere(pod, 'claimName'))) expect(claims).toContain(claim);
  for (const { pod } of workloads) {
    const volumes = [
      ...listAt(pod, 'volumes'),
      ...workloads.flatMap(({ manifest }) => listAt(manifest.body, 'spec', 'volumeClaimTemplates')),
    ];
    const there = volumes.map((volume) => at(volume, 'name') ?? at(volume, 'metadata', 'name'));
    for (const mount of everywhere(pod, 'volumeMounts').flat()) expect(there).toContain(at(mount, 'name'));
  }
});

test('what a worker keeps on a local disk is not in the volume that all share', () => {
  const { pod, containers } = workload('maestro-worker');
  const mounts = listAt(containers[0], 'volumeMounts') as { readonly name: string; readonly mountPath: string }[];
  const local = listAt(pod, 'volumes').filter((volume) => at(volume, 'emptyDir') !== undefined);
  const paths = mounts.filter(({ name }) => local.some((volume) => at(volume, 'name') === name)).map(({ mountPath }) => `${mountPath}/`);
  for (const variable of ['MAESTRO_SCRATCH_DIR', 'MAESTRO_CACHE_DIR']) {
    const folder = envOf(workload('maestro-worker')).find(({ name }) => name === variable)?.value;
    expect([variable, folder, paths.some((path) => `${folder}/`.startsWith(path))]).toEqual([variable, folder, true]);
  }
});

test('no pod has more rights than it needs, and none has the variables that Kubernetes makes of services', () => {
  for (const { pod, containers } of workloads) {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const container of [...listAt(pod, 'initContainers'), ...containers]) {
      expect(container).toMatchObject({
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        resources: { requests: { cpu: expect.anything(), memory: expect.anything() }, limits: { memory: expect.anything() } },
      });
    }
  }
});

test('a pod has more time to end than its process gives itself', async () => {
  const worker = await readFile(join(ROOT, 'services/worker/src/main.ts'), 'utf8');
  const service = await readFile(join(ROOT, 'packages/telemetry/src/runService.ts'), 'utf8');
  const ms = (text: string, pattern: RegExp): number => Number(pattern.exec(text)![1]!.replaceAll('_', ''));
  const graceMs = (name: string): number => 1000 * Number(at(workload(name).pod, 'terminationGracePeriodSeconds'));
  expect(graceMs('maestro-worker')).toBeGreaterThanOrEqual(5000 + ms(worker, /SHUTDOWN_MS = ([\d_]+);/));
  expect(graceMs('maestro-coordinator')).toBeGreaterThanOrEqual(5000 + ms(service, /shutdownTimeoutMs = ([\d_]+) \}/));
});
