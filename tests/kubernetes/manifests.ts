import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** A Kubernetes resource as it stands in a file. */
export interface Manifest {
  /** Path below deploy/kubernetes, to be named in messages. */
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name: string; readonly labels?: Labels };
  /** Everything, as parsed; `at` goes through it. */
  readonly body: unknown;
}

/** Labels of a resource, or that a selector asks for. */
export type Labels = Readonly<Record<string, string>>;

/** Where the manifests are. */
export const FOLDER = fileURLToPath(new URL('../../../deploy/kubernetes', import.meta.url));

/** Every resource and kustomization of every YAML file below deploy/kubernetes. */
export async function readManifests(): Promise<Manifest[]> {
  const names = (await readdir(FOLDER, { recursive: true })).filter((name) => name.endsWith('.yaml')).sort();
  const files = await Promise.all(names.map(async (file) => ({ file, text: await readFile(join(FOLDER, file), 'utf8') })));
  return files.flatMap(({ file, text }) =>
    parseAllDocuments(text).map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]!.message}`);
      const body = document.toJS() as Omit<Manifest, 'file' | 'body'>;
      return { ...body, file, body };
    }),
  );
}

/** What is at a path of a parsed document: keys and positions; undefined where it ends before. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((found, key) => (found as Record<string | number, unknown> | null | undefined)?.[key], value);
}

/** The list at a path; empty where there is none. */
export function listAt(value: unknown, ...path: (string | number)[]): readonly unknown[] {
  return (at(value, ...path) as readonly unknown[] | undefined) ?? [];
}

/** Every value of a field of that name, anywhere in a document. */
export function everywhere(value: unknown, field: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => everywhere(item, field));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(key === field ? [inner] : []), ...everywhere(inner, field)]);
}

/** Whether labels have all that a selector asks for. */
export function selects(selector: Labels, labels: Labels | undefined): boolean {
  return Object.entries(selector).every(([name, value]) => labels?.[name] === value);
}
