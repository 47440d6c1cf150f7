import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv, type Schema } from 'ajv';

/** Says what is wrong with a resource of a kind; nothing when it is as it should be. */
export type Check = (kind: string, resource: unknown) => string[];

interface Schemas {
  readonly definitions: Readonly<Record<string, Schema>>;
  /** By `apiVersion/kind`. */
  readonly kinds: Readonly<Record<string, Schema>>;
}

/**
 * Opens the schemas of Kubernetes and KEDA that `make_schemas.py` has made; they refuse fields that they do not name. With `isPart`, as for
 * patches, nothing is required.
 */
export async function openSchemas({ isPart = false }: { readonly isPart?: boolean } = {}): Promise<Check> {
  const path = fileURLToPath(new URL('../../kubernetes/fixtures/schemas.json', import.meta.url));
  const text = await readFile(path, 'utf8');
  const { definitions, kinds } = JSON.parse(text, (key, value) =>
    isPart && key === 'required' && Array.isArray(value) ? undefined : value,
  ) as Schemas;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  return (kind, resource) => {
    const schema = kinds[kind];
    if (schema === undefined) return [`${kind}: no schema; there are ${Object.keys(kinds).join(', ')}`];
    const validate = ajv.getSchema(kind) ?? ajv.compile({ $id: kind, definitions, ...(schema as object) });
    validate(resource);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${kind}${instancePath}: ${message} ${JSON.stringify(params)}`,
    );
  };
}
