import { readFile } from 'node:fs/promises';
import { ENVIRONMENT, ERROR_CODES, jobFileJsonSchema } from '@maestro/protocol';
import { type JsonSchema, type OpenApiDocument, operationsOf } from '../fuzz/openApi.ts';
import { fileOf } from '../support/repository.ts';

const NOTICE = '<!-- Made by `npm run docs`; change the code instead. -->\n';

/** Fields of an object that are listed in its place. */
const MOST_INLINE = 4;

/** The pages of docs/reference that come from code, by path. `document` is what a coordinator serves at /openapi.json. */
export async function referencePages(document: OpenApiDocument): Promise<Readonly<Record<string, string>>> {
  return {
    'docs/reference/rest.md': restPage(document),
    'docs/reference/grpc.md': grpcPage(await readFile(fileOf('proto/maestro/v1/jobs.proto'), 'utf8')),
    'docs/reference/errors.md': errorPage(),
    'docs/reference/job-file.md': jobFilePage(),
    'docs/reference/configuration.md': configurationPage(),
  };
}

function restPage(document: OpenApiDocument): string {
  const operations = operationsOf(document).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1));
  const sections = operations.map(({ method, path, operation }) => {
    const { summary = '', description = '', parameters = [], requestBody, responses } = operation;
    const rows = parameters.map(({ name, in: place, required, schema, description: text }) => [
      `\`${name}\``,
      place + (required === true ? ', required' : ''),
      typeOf(schema),
      text ?? schema.description ?? '',
    ]);
    const body = requestBody === undefined ? '' : `\nBody: ${contentOf(requestBody.content)}\n`;
    const answers = Object.entries(responses).map(
      ([status, { content }]) => `- ${status}${content === undefined ? '' : `: ${contentOf(content)}`}`,
    );
    return `## ${method} ${path}\n\n${[summary, description].filter((text) => text !== '').join(' ')}\n\n${table(['parameter', 'in', 'type', ''], rows)}${body}\n${answers.join('\n')}\n`;
  });
  const schemas = Object.entries(document.components.schemas)
    .filter(([name]) => !name.endsWith('Input'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => `## ${name}\n\n${table(['field', 'type', ''], propertyRows(schema))}`);
  return `${NOTICE}
# HTTP API

The coordinator serves this API at \`MAESTRO_HTTP_LISTEN\`, with an OpenAPI 3.1 document at \`/openapi.json\` and this list at \`/docs\`. With \`MAESTRO_TOKENS\`, send
\`Authorization: Bearer TOKEN\`; GET needs the role \`read\`, everything else \`submit\`, draining a worker \`admin\`. Times are RFC 3339. Lists are
\`{items, nextCursor?}\`: repeat the request with \`cursor\` while there is a \`nextCursor\`. Unknown parameters and keys are rejected. Errors are
\`application/problem+json\` with one of the [codes](errors.md).

${sections.join('\n')}
# Resources

${schemas.join('\n')}`;
}

function contentOf(content: Readonly<Record<string, { readonly schema: JsonSchema }>>): string {
  return Object.entries(content)
    .map(([type, { schema }]) => `\`${type}\` ${typeOf(schema)}`.trim())
    .join(', ');
}

function errorPage(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, { http, grpc, title }]) => [`\`${code}\``, String(http), `\`${grpc}\``, title]);
  return `${NOTICE}
# Error codes

Every error has one of these codes: over HTTP in \`code\` of a problem (RFC 9457), over gRPC in the trailer \`maestro-error-code\`. The set is closed.

${table(['code', 'HTTP', 'gRPC', 'meaning'], rows)}`;
}

function jobFilePage(): string {
  return `${NOTICE}
# Job file

YAML or JSON. Unknown keys are rejected, and the error suggests the nearest known key. \`GET /api/v1/schema/job\` gives the JSON Schema; \`maestro submit FILE --dry-run\` prints
the file with all defaults.

${table(['key', 'type', 'default', ''], schemaRows(jobFileJsonSchema() as JsonSchema, ''))}`;
}

/** A row for each key at any depth; one that only some variants of a section have names them, and those of all come last. */
function schemaRows(schema: JsonSchema, prefix: string): string[][] {
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants?.some(({ properties }) => properties !== undefined) === true) {
    const rows = new Map<string, { readonly row: readonly string[]; readonly of: string[] }>();
    for (const variant of variants) {
      const constant = Object.values(variant.properties ?? {}).find((property) => property.const !== undefined)?.const;
      for (const row of schemaRows(variant, prefix)) {
        const found = rows.get(row.join('|')) ?? { row, of: [] };
        rows.set(row.join('|'), { row, of: [...found.of, String(constant)] });
      }
    }
    const all = [...rows.values()];
    const some = all.filter(({ of }) => of.length < variants.length);
    const ofSome = some.map(({ row: [key = '', type = '', without = '', text = ''], of }) => {
      const names = of.map((each) => `\`${each}\``).join(', ');
      return [key, type, without, type === `\`"${of[0]}"\`` ? text : `with ${names}${text === '' ? '' : `: ${text}`}`];
    });
    return [...ofSome, ...all.filter(({ of }) => of.length === variants.length).map(({ row }) => [...row])];
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const isSection =
      property.properties !== undefined || (property.oneOf ?? property.anyOf)?.some(({ properties }) => properties !== undefined) === true;
    if (isSection) return schemaRows(property, path);
    const without =
      property.default === undefined
        ? schema.required?.includes(name) === true
          ? 'required'
          : ''
        : `\`${JSON.stringify(property.default)}\``;
    return [[`\`${path}\``, typeOf(property), without, property.description ?? '']];
  });
}

function configurationPage(): string {
  const rows = ENVIRONMENT.map(({ name, of, default: value, meaning }) => [`\`${name}\``, of, value, meaning]);
  return `${NOTICE}
# Configuration

Processes are configured by environment variables; \`maestro up\` sets what its own processes need.

${table(['variable', 'of', 'default', 'meaning'], rows)}
# Authentication

On loopback, no authentication is required. A coordinator that other machines can reach does not start without tokens, and a worker does not start without
TLS or a trusted network:

\`\`\`
maestro certs init certs --host NODE           # a certificate authority, and a certificate for every service and client
export MAESTRO_TLS_CERT=certs/service.pem MAESTRO_TLS_KEY=certs/service-key.pem MAESTRO_TLS_CA=certs/ca.pem
export MAESTRO_TOKENS="me:admin:$(openssl rand -hex 24)"
\`\`\`

With certificates, gRPC accepts only clients with a certificate of the same authority. Such a client may attach as a worker; everything else needs a token.
`;
}

/** The services and messages of a proto file, with their comments. */
function grpcPage(proto: string): string {
  const sections: string[] = [];
  let comments: string[] = [];
  let rows: string[][] = [];
  let title = '';
  for (const line of proto.split('\n').map((each) => each.trim())) {
    const [, comment] = /^\/\/ ?(.*)$/.exec(line) ?? [];
    const [, kind, name] = /^(service|message) (\w+) \{/.exec(line) ?? [];
    const [, rpc, request, stream, response] = /^rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\)/.exec(line) ?? [];
    const [, label, type, field, isDeprecated] =
      /^(repeated |optional )?(map<\w+, \w+>|[\w.]+) (\w+) = \d+( \[deprecated = true\])?;/.exec(line) ?? [];
    if (comment !== undefined) comments.push(comment);
    else if (name !== undefined) {
      title = `## ${kind} ${name}\n\n${comments.join(' ')}${comments.length > 0 ? '\n\n' : ''}`;
      comments = [];
      rows = [];
      if (/\{\}$/.test(line)) sections.push(title);
    } else if (rpc !== undefined) {
      rows.push([`\`${rpc}\``, `${request} → ${stream ?? ''}${response}`, comments.join(' ')]);
      comments = [];
    } else if (field !== undefined && type !== 'package') {
      const words = type!.replace(/^map<(\w+), (\w+)>$/, 'map of $1 to $2');
      rows.push([`\`${field}\``, `${label ?? ''}${words}${isDeprecated === undefined ? '' : ', deprecated'}`, comments.join(' ')]);
      comments = [];
    } else if (line === '}') sections.push(`${title}${table(['', 'type', ''], rows)}`);
    else comments = [];
  }
  return `${NOTICE}
# gRPC API

The coordinator serves \`maestro.v1.Jobs\` at \`MAESTRO_GRPC_LISTEN\`, with reflection (v1 and v1alpha) and \`grpc.health.v1.Health\`, so a client such as
grpcurl needs no proto files. With \`MAESTRO_TOKENS\`, send the metadata \`authorization: Bearer TOKEN\`. Errors carry one of the [codes](errors.md) in the
trailer \`maestro-error-code\`.

${sections.join('\n')}`;
}

function propertyRows({ properties = {}, required = [] }: JsonSchema): string[][] {
  return Object.entries(properties).map(([name, schema]) => [
    `\`${name}\``,
    typeOf(schema) + (required.includes(name) ? '' : ', optional'),
    schema.description ?? '',
  ]);
}

function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref
      .split('/')
      .at(-1)!
      .replace(/Input$/, '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' or ');
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) return [...new Set(variants.map(typeOf))].join(' or ');
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeOf).join(', ')}]`;
  if (schema.type === 'array') {
    const isTuple = schema.minItems !== undefined && schema.minItems === schema.maxItems;
    return `array of ${isTuple ? `exactly ${schema.minItems}: ` : ''}${typeOf(schema.items ?? {})}`;
  }
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties);
    if (schema.properties['virtualRanks'] === undefined && schema.properties['resources'] !== undefined) return '[job file](job-file.md)';
    return entries.length > MOST_INLINE ? 'object' : `{${entries.map(([name, property]) => `${name}: ${typeOf(property)}`).join(', ')}}`;
  }
  if (schema.type === 'integer' || schema.type === 'number') return `${schema.type}${boundsOf(schema)}`;
  return String(schema.type ?? '');
}

function boundsOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: JsonSchema): string {
  const low = minimum !== undefined ? `from ${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
  const isBound = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  const high = isBound ? `to ${maximum}` : exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : '';
  return [low, high].every((text) => text === '') ? '' : ` ${[low, high].filter((text) => text !== '').join(' ')}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return `${[line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')}\n`;
}
