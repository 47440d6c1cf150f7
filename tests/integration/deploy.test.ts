import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { fileOf } from '../support/repository.ts';
import { PROMTOOL } from '../support/tools/promtool.ts';

/** Nothing of it is a setting of ours. */
const ENV = Object.fromEntries(
  ['PATH', 'HOME', 'DOCKER_CONFIG'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
);
const COMPOSE = [['docker', 'compose'], ['docker-compose']].find(
  ([program, ...args]) => spawnSync(program!, [...args, 'version'], { env: ENV }).status === 0,
);
const lack = COMPOSE === undefined ? 'there is no docker-compose' : undefined;
if (lack !== undefined) process.stderr.write(`docker-compose.yml is not checked: ${lack}\n`);
if (PROMTOOL === undefined) process.stderr.write('expressions of Prometheus are not checked: there is no promtool\n');
const composeTest = lack === undefined ? test : test.skip;
const promtoolTest = PROMTOOL === undefined ? test.skip : test;

let dir: string;
let env: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-deploy-'));
  env = join(dir, '.env');
  expect(spawnSync('sh', [fileOf('deploy/write-env.sh'), env])).toMatchObject({ status: 0 });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const run = ([program, ...args]: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8', env: ENV });
  return { status, stdout, stderr };
};
const yamlOf = async <Content>(path: string): Promise<Content> => parse(await readFile(fileOf(path), 'utf8'), { merge: true }) as Content;

describe('write-env.sh', () => {
  test('fills every secret with one of its own, for the owner alone, and leaves everything else as in .env.example', async () => {
    const [example, written] = [await readFile(fileOf('.env.example'), 'utf8'), await readFile(env, 'utf8')];
    const secrets = [...written.matchAll(/^[A-Z_]+=([0-9a-f]{48})$/gm)].map(([, secret]) => secret);
    expect(secrets.length).toBe([...example.matchAll(/^[A-Z_]+=$/gm)].length);
    expect(new Set(secrets).size).toBe(secrets.length);
    expect(written.replace(/=[0-9a-f]{48}$/gm, '=')).toBe(example);
    expect((await stat(env)).mode & 0o777).toBe(0o600);
  });

  test('keeps a file that is there', async () => {
    const before = await readFile(env, 'utf8');
    expect(run(['sh', fileOf('deploy/write-env.sh'), env])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is there already'),
    });
    expect(await readFile(env, 'utf8')).toBe(before);
  });
});

describe('docker-compose.yml', () => {
  interface Service {
    readonly image: string;
    readonly read_only?: boolean;
    readonly cap_drop?: readonly string[];
    readonly security_opt?: readonly string[];
    readonly ports?: readonly string[];
    readonly volumes?: readonly string[];
    readonly build?: { readonly target: string };
    readonly environment?: Readonly<Record<string, string>>;
    readonly profiles?: readonly string[];
  }
  const compose = (file: string) => [...COMPOSE!, '--file', fileOf('docker-compose.yml'), '--env-file', file];

  composeTest('is taken by docker-compose, with every profile', () => {
    expect(run([...compose(env), '--profile', 'gpu', '--profile', 'observability', 'config', '--quiet'])).toMatchObject({ status: 0 });
  });

  composeTest('is refused without secrets, and says what makes them', () => {
    const { status, stderr } = run([...compose(fileOf('.env.example')), 'config', '--quiet']);
    expect(status).not.toBe(0);
    expect(stderr).toContain('sh deploy/write-env.sh');
  });

  test('gives no service a right that it could do without, and listens on loopback alone', async () => {
    const { services } = await yamlOf<{ services: Record<string, Service> }>('docker-compose.yml');
    for (const [name, { read_only, cap_drop, security_opt, ports = [] }] of Object.entries(services)) {
      expect({ name, read_only, cap_drop, security_opt }).toEqual({
        name,
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    }
  });

  test('builds targets that the Dockerfile has, and knows no variable that .env.example does not tell of', async () => {
    const { services } = await yamlOf<{ services: Record<string, Service> }>('docker-compose.yml');
    const dockerfile = await readFile(fileOf('deploy/Dockerfile'), 'utf8');
    const targets = Object.values(services).flatMap(({ build }) => (build === undefined ? [] : [build.target]));
    expect(targets).toEqual(['coordinator', 'worker', 'worker-gpu']);
    for (const target of targets) expect(dockerfile).toMatch(new RegExp(`^FROM .* AS ${target}$`, 'm'));
    const [text, example] = [await readFile(fileOf('docker-compose.yml'), 'utf8'), await readFile(fileOf('.env.example'), 'utf8')];
    const used = new Set([...text.matchAll(/[^$]\$\{(\w+)/g)].map(([, name]) => name));
    const told = new Set([...example.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name));
    expect([...used].sort()).toEqual([...told].sort());
  });

  test('workers get the library of native operators and the sources that it is known by, and no compiler', async () => {
    const dockerfile = await readFile(fileOf('deploy/Dockerfile'), 'utf8');
    const stages = Object.fromEntries(dockerfile.split(/^FROM /m).map((stage) => [/ AS (\S+)/.exec(stage)?.[1], stage]));
    expect(stages['native']).toContain('prepareNative()');
    for (const name of ['worker', 'worker-gpu']) {
      expect(stages[name]).toContain('COPY --from=native /maestro/.maestro/native .maestro/native\n');
      expect(stages[name]).toContain('COPY --from=build /maestro/packages packages\n');
      expect(stages[name]).not.toMatch(/apt-get|gcc/);
    }
    expect(stages['build']).not.toMatch(/rm .*native\/c/);
  });

  test('mounts named volumes of workers where the image has a folder of its user: Docker would make one of root', async () => {
    const dockerfile = await readFile(fileOf('deploy/Dockerfile'), 'utf8');
    const stages = Object.fromEntries(dockerfile.split(/^FROM /m).map((stage) => [/ AS (\S+)/.exec(stage)?.[1], stage]));
    const services = ['docker-compose.yml', 'deploy/compose/worker-host.yml'].map((file) =>
      yamlOf<{ services: Record<string, Service> }>(file),
    );
    for (const { image, volumes = [] } of (await Promise.all(services)).flatMap((each) => Object.values(each.services))) {
      const stage = stages[/^(maestro-[a-z-]+?):/.exec(image)?.[1]?.replace('maestro-', '') ?? ''];
      if (stage === undefined) continue;
      const owned = /^RUN mkdir -p (.+) && chown 1000:1000 (.+)$/m.exec(stage);
      expect(owned?.[1]).toBe(owned?.[2]);
      for (const path of volumes.flatMap((volume) => /^[a-z]+:(\/[^:]+)$/.exec(volume)?.[1] ?? []))
        expect([image, owned?.[1]?.split(' ')]).toEqual([image, expect.arrayContaining([path])]);
    }
  });
});

describe('observability', () => {
  interface Panel {
    readonly id: number;
    readonly title: string;
    readonly type: string;
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string }[];
  }
  const board = async () =>
    JSON.parse(await readFile(fileOf('deploy/grafana/dashboards/maestro.json'), 'utf8')) as { uid: string; panels: readonly Panel[] };
  const promQueries = async () =>
    (await board()).panels
      .filter(({ datasource }) => datasource?.uid === 'maestro-metrics')
      .flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

  promtoolTest('Prometheus takes its configuration', () => {
    expect(run([PROMTOOL!, 'check', 'config', '--syntax-only', fileOf('deploy/prometheus/prometheus.yml')])).toMatchObject({ status: 0 });
  });

  test('Prometheus scrapes the coordinator of docker-compose.yml', async () => {
    const { scrape_configs } = await yamlOf<{ scrape_configs: readonly { static_configs: readonly { targets: readonly string[] }[] }[] }>(
      'deploy/prometheus/prometheus.yml',
    );
    expect(scrape_configs[0]!.static_configs[0]!.targets).toEqual(['coordinator:7080']);
  });

  test("Grafana's data sources are those of the dashboard, and dashboards are looked for where they are mounted", async () => {
    const folder = 'deploy/grafana/provisioning';
    const { datasources } = await yamlOf<{ datasources: readonly { uid: string; type: string; url: string }[] }>(
      `${folder}/datasources/maestro.yml`,
    );
    expect(datasources.map(({ uid, type, url }) => [uid, type, url])).toEqual([
      ['maestro-metrics', 'prometheus', 'http://prometheus:9090'],
      ['maestro-logs', 'loki', 'http://coordinator:7080'],
    ]);
    const uids = new Set((await board()).panels.flatMap(({ datasource }) => (datasource === undefined ? [] : [datasource.uid])));
    expect([...uids].sort()).toEqual(datasources.map(({ uid }) => uid).sort());
    const { providers } = await yamlOf<{ providers: readonly { options: { path: string } }[] }>(`${folder}/dashboards/maestro.yml`);
    expect(await readFile(fileOf('docker-compose.yml'), 'utf8')).toContain(`./deploy/grafana/dashboards:${providers[0]!.options.path}:ro`);
    expect(await readdir(fileOf('deploy/grafana/dashboards'))).toEqual(['maestro.json']);
  });

  test('the dashboard has panels with numbers of their own, and shows only metrics that are documented', async () => {
    const { panels } = await board();
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const documented = await readFile(fileOf('docs/reference/metrics.md'), 'utf8');
    for (const { title, expr } of await promQueries()) {
      for (const [name] of expr.matchAll(/\b(maestro|process)_\w+/g)) {
        const found = documented.includes(`\`${name.replace(/_(sum|count|bucket)$/, '')}`);
        expect({ title, name, found }).toEqual({ title, name, found: true });
      }
    }
  });

  promtoolTest('the expressions of the dashboard are PromQL', async () => {
    const rules = (await promQueries()).map(({ expr }, i) => ({ record: `panel:${i}`, expr: expr.replaceAll('$job', '.*') }));
    expect(rules.length).toBeGreaterThan(20);
    const file = join(dir, 'rules.json');
    await writeFile(file, JSON.stringify({ groups: [{ name: 'maestro', rules }] }));
    const { status, stdout, stderr } = run([PROMTOOL!, 'check', 'rules', file]);
    expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: expect.stringContaining(`SUCCESS: ${rules.length} rules`) });
  });
});
