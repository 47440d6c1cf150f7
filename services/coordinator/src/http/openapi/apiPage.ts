import type { JsonSchema, OpenApiDocument, OpenApiOperation } from './openApi.ts';

/** Stylesheets of the dashboard used by the page: it has the same colours, light and dark. */
const STYLES = ['tokens', 'base', 'controls', 'panels', 'docs'];
/** Tags in index order, with their headings; operations without one come last. */
const GROUPS: Readonly<Record<string, string>> = { jobs: 'Jobs', workers: 'Workers', logs: 'Logs', metrics: 'Metrics' };

interface ListedOperation {
  readonly path: string;
  readonly method: string;
  readonly operation: OpenApiOperation;
}

/** Renders a page that lists every operation of the document with its parameters, body and answers. */
export function apiPage(document: unknown): string {
  const { paths, components } = document as OpenApiDocument;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const schemas = Object.entries(components.schemas).filter(([name]) => !name.endsWith('Input'));
  const groups = inGroups(operations);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>HTTP API · maestro</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="/assets/logo.svg" type="image/svg+xml">
${STYLES.map((name) => `<link rel="stylesheet" href="/assets/styles/${name}.css">`).join('\n')}
<script src="/assets/startTheme.js"></script><script type="module" src="/assets/theme.js"></script></head><body>
<a class="skip-link" href="#main">Skip to content</a>
<header id="top"><div class="top-bar">
<a class="brand" href="/" aria-label="maestro: jobs"><img src="/assets/logo.svg" alt=""><span>maestro</span></a>
<nav class="nav" aria-label="Main"><a href="/">Jobs</a><a href="/workers">Workers</a><a href="/submit">Submit</a>
<a href="/docs" aria-current="page">API</a></nav></div></header>
<div class="docs">
<nav class="docs-index" aria-label="Operations"><details open><summary>Operations</summary>${groups.map(indexOf).join('\n')}
<h2>Schemas</h2><ul>${schemas.map(([name]) => `<li><a href="#schema-${name}">${name}</a></li>`).join('')}</ul></details></nav>
<main id="main" tabindex="-1">
<h1>HTTP API</h1>
<p class="docs-lead">The same as a document: <a href="/openapi.json">OpenAPI 3.1</a>.
Errors are <code>application/problem+json</code> with a stable <code>code</code>.
Where tokens are asked for, send <code>Authorization: Bearer TOKEN</code>.</p>
${groups.map(groupSection).join('\n')}
<h2 class="docs-group">Schemas</h2>
${schemas.map(schemaSection).join('\n')}
</main></div>
</body></html>
`;
}

function groupSection([title, members]: readonly [string, readonly ListedOperation[]]): string {
  return `<h2 class="docs-group">${escapeHtml(title)}</h2>\n${members.map(operationSection).join('\n')}`;
}

function schemaSection([name, schema]: readonly [string, JsonSchema]): string {
  return `<section class="panel" id="schema-${name}"><h3>${name}</h3>${properties(schema, name)}</section>`;
}

/** Groups operations by their first tag. */
function inGroups(operations: readonly ListedOperation[]): [title: string, members: ListedOperation[]][] {
  const tagOf = ({ operation }: ListedOperation): string => operation.tags?.[0] ?? 'other';
  const known = Object.keys(GROUPS);
  const tags = [...known, ...new Set(operations.map(tagOf).filter((tag) => !known.includes(tag)))];
  return tags.flatMap((tag): [string, ListedOperation[]][] => {
    const members = operations.filter((each) => tagOf(each) === tag);
    return members.length === 0 ? [] : [[GROUPS[tag] ?? tag.charAt(0).toUpperCase() + tag.slice(1), members]];
  });
}

function indexOf([title, members]: readonly [string, readonly ListedOperation[]]): string {
  const links = members.map(
    ({ path, method, operation: { operationId } }) =>
      `<li><a href="#${operationId}"><span class="method" data-method="${method}">${method}</span> ` +
      `${escapeHtml(path.replace('/api/v1', ''))}</a></li>`,
  );
  return `<h2>${escapeHtml(title)}</h2><ul>${links.join('')}</ul>`;
}

function operationSection({ path, method, operation }: ListedOperation): string {
  const { operationId, summary = '', description = '', parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(
    (parameter) =>
      `<tr><td><code>${escapeHtml(parameter.name)}</code></td><td>${parameter.in}${parameter.required === true ? ', required' : ''}</td>` +
      `<td>${typeText(parameter.schema)}</td><td>${escapeHtml(parameter.description ?? '')}</td></tr>`,
  );
  const body = requestBody === undefined ? '' : `<p><strong>Body</strong> ${content(requestBody.content)}</p>`;
  const answers = Object.entries(responses).map(
    ([status, { content: types }]) => `<li><code>${status}</code> ${types === undefined ? '' : content(types)}</li>`,
  );
  const table = rows.length === 0 ? '' : scrolling(`Parameters of ${operationId}`, ['Parameter', 'In', 'Type', 'Meaning'], rows);
  const title = `<span class="method" data-method="${method}">${method}</span> <code>${escapeHtml(path)}</code>`;
  return `<section class="panel" id="${operationId}"><h3>${title}</h3>
<p>${escapeHtml(summary)} ${escapeHtml(description)}</p>${table}${body}
<p><strong>Answers</strong></p><ul class="answers">${answers.join('')}</ul></section>`;
}

/** Renders a table that scrolls sideways, also by keyboard, in a narrow window. */
function scrolling(label: string, heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('');
  return (
    '<div class="scroll-x" tabindex="0" role="region" ' +
    `aria-label="${escapeHtml(label)}"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  );
}

function content(types: Readonly<Record<string, { readonly schema: JsonSchema }>>): string {
  return Object.entries(types)
    .map(([type, { schema }]) => `<code>${escapeHtml(type)}</code> ${typeText(schema)}`)
    .join(', ');
}

function properties({ properties: all = {}, required = [] }: JsonSchema, name: string): string {
  const rows = Object.entries(all).map(
    ([name, schema]) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${required.includes(name) ? '' : 'optional'}</td><td>${typeText(schema)}</td>` +
      `<td>${escapeHtml(schema.description ?? '')}</td></tr>`,
  );
  return rows.length === 0 ? '<p>Any value.</p>' : scrolling(`Keys of ${name}`, ['Key', 'Presence', 'Type', 'Meaning'], rows);
}

/** Describes the type of a value in a few words, as HTML. */
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
  if (schema.properties !== undefined) return `<details><summary>object</summary>${properties(schema, 'the object')}</details>`;
  const standard = schema.default === undefined ? '' : ` (default <code>${escapeHtml(JSON.stringify(schema.default))}</code>)`;
  return `${String(schema.type ?? 'any value')}${standard}`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
