import type { JsonSchema, OpenApiDocument, OpenApiOperation } from './openApi.ts';

/** The style of {@link apiPage}. */
export const API_STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
section { border-top: 1px solid #8888; padding: 0.5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0; }
.method { display: inline-block; min-width: 4rem; font-weight: bold; }
`;

/** A page that lists every operation of the document with its parameters, body and answers. */
export function apiPage(document: unknown): string {
  const { paths, components } = document as OpenApiDocument;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const index = operations.map(
    ({ path, method, operation }) => `<li><a href="#${operation.operationId}"><code>${method} ${escapeHtml(path)}</code></a></li>`,
  );
  const schemas = Object.entries(components.schemas).filter(([name]) => !name.endsWith('Input'));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>maestro: HTTP API</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/docs.css"></head><body>
<h1>maestro: HTTP API</h1>
<p>The same as <a href="/openapi.json">OpenAPI 3.1</a>. Errors are <code>application/problem+json</code> with a stable <code>code</code>.</p>
<ul>${index.join('\n')}</ul>
${operations.map(operationSection).join('\n')}
<h2>Schemas</h2>
${schemas.map(([name, schema]) => `<section id="schema-${name}"><h3>${name}</h3>${properties(schema)}</section>`).join('\n')}
</body></html>
`;
}

function operationSection({ path, method, operation }: { path: string; method: string; operation: OpenApiOperation }): string {
  const { operationId, summary = '', description = '', parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(
    (parameter) =>
      `<tr><td><code>${escapeHtml(parameter.name)}</code></td><td>${parameter.in}${parameter.required === true ? ', required' : ''}</td>` +
      `<td>${typeText(parameter.schema)}</td><td>${escapeHtml(parameter.description ?? '')}</td></tr>`,
  );
  const body = requestBody === undefined ? '' : `<p>Body: ${content(requestBody.content)}</p>`;
  const answers = Object.entries(responses).map(
    ([status, { content: types }]) => `<li>${status}: ${types === undefined ? '' : content(types)}</li>`,
  );
  return `<section id="${operationId}"><h2><span class="method">${method}</span> <code>${escapeHtml(path)}</code></h2>
<p>${escapeHtml(summary)} ${escapeHtml(description)}</p>${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}${body}<ul>${answers.join('')}</ul></section>`;
}

function content(types: Readonly<Record<string, { readonly schema: JsonSchema }>>): string {
  return Object.entries(types)
    .map(([type, { schema }]) => `<code>${escapeHtml(type)}</code> ${typeText(schema)}`)
    .join(', ');
}

function properties({ properties: all = {}, required = [] }: JsonSchema): string {
  const rows = Object.entries(all).map(
    ([name, schema]) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${required.includes(name) ? '' : 'optional'}</td><td>${typeText(schema)}</td>` +
      `<td>${escapeHtml(schema.description ?? '')}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

/** The type of a value in a few words, as HTML. */
function typeText(schema: JsonSchema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref
      .split('/')
      .at(-1)!
      .replace(/Input$/, '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return `<code>${escapeHtml(JSON.stringify(schema.const))}</code>`;
  if (schema.enum !== undefined) return schema.enum.map((value) => `<code>${escapeHtml(String(value))}</code>`).join(' | ');
  const variants = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (variants !== undefined) return variants.map(typeText).join(' | ');
  if (schema.type === 'array') return `array of ${schema.items === undefined ? 'values' : typeText(schema.items)}`;
  if (schema.properties !== undefined) return `<details><summary>object</summary>${properties(schema)}</details>`;
  return `${String(schema.type ?? 'any value')}${schema.default === undefined ? '' : ` (default <code>${escapeHtml(JSON.stringify(schema.default))}</code>)`}`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
