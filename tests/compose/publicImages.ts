import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { parse } from 'yaml';
import { fileOf } from '../support/repository.ts';

/** Images that others publish and ours are made of or run with, by the names that the Dockerfile and docker-compose.yml give them. */
export interface PublicImages {
  readonly node: string;
  readonly cuda: string;
  readonly redis: string;
  readonly prometheus: string;
}

/** Reads the names. */
export async function readPublicImages(): Promise<PublicImages> {
  const dockerfile = await readFile(fileOf(join('deploy', 'Dockerfile')), 'utf8');
  const { services } = parse(await readFile(fileOf('docker-compose.yml'), 'utf8'), { merge: true }) as {
    services: Record<string, { image: string }>;
  };
  const argument = (name: string): string => {
    const value = new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1];
    if (value === undefined) throw new MaestroError('internal', `deploy/Dockerfile: no ARG ${name} with a default`);
    return value;
  };
  return {
    node: argument('NODE_IMAGE'),
    cuda: argument('CUDA_IMAGE'),
    redis: services['redis']!.image,
    prometheus: services['prometheus']!.image,
  };
}
