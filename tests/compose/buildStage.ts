import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileOf } from '../support/repository.ts';
import { runCommand, succeeds } from './command.ts';
import { type Engine, startEngine } from './engine.ts';
import { hasPrometheus } from './means.ts';
import { nextTag } from './nextTag.ts';
import { readPublicImages } from './publicImages.ts';
import { runStage, type StageConfig } from './stage.ts';
import { importStandIn, SHELL_PROGRAMS } from './standIn.ts';

/** The services that ship, by target of the Dockerfile. */
const TARGETS = ['coordinator', 'worker'] as const;

/** Takes public images from their registry where it can be reached, stand-ins for them else, and builds ours from deploy/Dockerfile. */
await runStage(async (config, step) => {
  const { dir, isPrivate, tag } = config;
  const names = await readPublicImages();
  let engine: Engine | undefined;
  if (isPrivate) {
    await step('a Docker engine starts', async () => {
      engine = await startEngine(join(dir, 'engine'), { hasNetworks: false });
      return (await runCommand(['docker', 'version', '--format', '{{.Server.Version}}'])).trim();
    });
  }
  try {
    let buildImage = names.node;
    await step('public images', async () => {
      const wanted = [names.node, names.redis, names.prometheus];
      const isThere = await Promise.all(wanted.map((image) => isAvailable(image)));
      if (isThere.every((each) => each)) return wanted.join(', ');
      buildImage = await importStandIns(config, names);
      return `no registry: stand-ins made of this machine's own programs`;
    });
    const build = (target: string, version: string, args: readonly string[] = []) => {
      const command = ['docker', 'build', '--network=host', '--file', fileOf('deploy/Dockerfile'), '--target', target];
      const named = ['--tag', `maestro-${target}:${version}`, `--build-arg=VERSION=${version}`, `--build-arg=BUILD_IMAGE=${buildImage}`];
      // Its library needs a compiler, which this image may not have: the stories are of precision `standard`.
      named.push(`--build-arg=NATIVE_IMAGE=${buildImage}`);
      return runCommand([...command, ...named, ...args, fileOf('.')], { timeoutMs: 900_000 });
    };
    for (const target of TARGETS) {
      await step(`${target} builds from deploy/Dockerfile`, async () => {
        await build(target, tag);
        await build(target, nextTag(tag));
        return `${await megabytesOf(`maestro-${target}:${tag}`)} MB, of which ${await megabytesOf(names.node)} MB are ${names.node}`;
      });
    }
    if (buildImage !== names.node) {
      await step('worker-gpu builds, without the provider that it would fetch', async () => {
        await build('worker-gpu', tag, ['--build-arg=ONNXRUNTIME_NODE_INSTALL=skip']);
        return `${await megabytesOf(`maestro-worker-gpu:${tag}`)} MB`;
      });
    }
  } finally {
    await engine?.stop();
  }
  return 'built';
});

/** Whether the engine has an image, or its registry answers. */
async function isAvailable(image: string): Promise<boolean> {
  return (await succeeds(['docker', 'image', 'inspect', image])) || (await succeeds(['docker', 'pull', '--quiet', image]));
}

async function megabytesOf(image: string): Promise<number> {
  return Math.round(Number(await runCommand(['docker', 'image', 'inspect', '--format', '{{.Size}}', image])) / 1e6);
}

/** Makes the stand-ins, and one more image in which npm can build; gives that one's name. */
async function importStandIns({ dir, hasPackages }: StageConfig, names: Awaited<ReturnType<typeof readPublicImages>>): Promise<string> {
  const at = join(dir, 'stand-in');
  const node = {
    programs: { ...SHELL_PROGRAMS, '/usr/local/bin/node': process.execPath },
    libraryUsers: await nativeModules(),
    user: { name: 'node', id: 1000, home: '/home/node' },
  };
  await importStandIn(at, { ...node, image: names.node });
  await importStandIn(at, { ...node, image: names.cuda });
  await importStandIn(at, {
    image: names.redis,
    programs: {
      ...SHELL_PROGRAMS,
      '/usr/local/bin/redis-server': process.env['MAESTRO_REDIS_SERVER']!,
      '/usr/local/bin/redis-cli': 'redis-cli',
    },
    user: { name: 'redis', id: 999, home: '/data' },
  });
  if (await hasPrometheus()) {
    await importStandIn(at, {
      image: names.prometheus,
      programs: { ...SHELL_PROGRAMS, '/bin/prometheus': 'prometheus' },
      user: { name: 'nobody', id: 65534, home: '/prometheus' },
      runAs: 'nobody',
    });
  }
  const image = 'maestro-test-build';
  const npm = join(await runCommand(['npm', 'root', '--global']).then((path) => path.trim()), 'npm');
  const cache = (await runCommand(['npm', 'config', 'get', 'cache'])).trim();
  const certificates = process.env['NODE_EXTRA_CA_CERTS'];
  await importStandIn(at, {
    ...node,
    image,
    programs: { ...node.programs, '/usr/bin/env': 'env' },
    folders: {
      '/usr/local/lib/node_modules/npm': npm,
      ...(!hasPackages && { '/npm-cache/_cacache': join(cache, '_cacache') }),
    },
    links: { '/usr/local/bin/npm': '../lib/node_modules/npm/bin/npm-cli.js' },
    files: certificates === undefined ? {} : { '/certificates.pem': certificates },
    env: {
      ...(certificates !== undefined && { NODE_EXTRA_CA_CERTS: '/certificates.pem' }),
      ...(!hasPackages && { npm_config_cache: '/npm-cache', npm_config_offline: 'true' }),
    },
  });
  return image;
}

/** The machine code of our dependencies: what it loads beside itself is the image's to have. */
async function nativeModules(): Promise<string[]> {
  const roots = ['@img', `onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`].map((path) => fileOf(`node_modules/${path}`));
  const entries = await Promise.all(roots.map((root) => readdir(root, { recursive: true, withFileTypes: true })));
  return entries
    .flat()
    .filter((entry) => entry.isFile() && /\.(node|so)(\.|$)/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name));
}
