import type { Dice } from './dice.ts';
import type { OpenApiDocument, Parameter, PlacedOperation } from './openApi.ts';
import { HOSTILE_TEXTS, hostileValue, validValue } from './schemaValues.ts';

/** A request to send. */
export interface RestRequest {
  readonly operation: PlacedOperation;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Whether something was made hostile on purpose. */
  readonly isHostile: boolean;
}

/** What exists in the cluster that is asked: values of parameters by name, and a job file. */
export interface KnownThings {
  readonly parameters: Readonly<Record<string, string>>;
  readonly jobFile: unknown;
  /** For `authorization`; none when the coordinator asks for none. */
  readonly token?: string;
}

/** A request that the document allows, about things that exist. */
export function validRequest(operation: PlacedOperation, things: KnownThings, dice: Dice, document: OpenApiDocument): RestRequest {
  return build(operation, things, dice, document, undefined);
}

/** A request that is hostile in one part: a parameter, the body, a header, the path or the token. */
export function hostileRequest(operation: PlacedOperation, things: KnownThings, dice: Dice, document: OpenApiDocument): RestRequest {
  const { parameters = [], requestBody } = operation.operation;
  const parts: Part[] = [...parameters, 'query', 'header', 'path', 'token'];
  if (requestBody !== undefined) parts.push('body', 'body', 'body', 'bytes', 'type');
  return build(operation, things, dice, document, dice.pick(parts));
}

type Part = Parameter | 'query' | 'header' | 'path' | 'token' | 'body' | 'bytes' | 'type';

function build(
  operation: PlacedOperation,
  things: KnownThings,
  dice: Dice,
  document: OpenApiDocument,
  spoiled: Part | undefined,
): RestRequest {
  const { parameters = [], requestBody } = operation.operation;
  const query = new URLSearchParams();
  let path = operation.path;
  const headers: Record<string, string> = things.token === undefined ? {} : { authorization: `Bearer ${things.token}` };
  for (const parameter of parameters) {
    const isSpoiled = parameter === spoiled;
    if (!isSpoiled && parameter.in !== 'path' && parameter.required !== true && !dice.oneIn(3)) continue;
    const known = things.parameters[parameter.name];
    const value = isSpoiled
      ? textOf(dice.oneIn(3) ? dice.pick(HOSTILE_TEXTS) : hostileValue(parameter.schema, dice, document))
      : (known ?? textOf(validValue(parameter.schema, dice, document)));
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, isSpoiled && dice.oneIn(2) ? value : encode(value));
    else if (parameter.in === 'query') query.append(parameter.name, wellFormed(value));
    else if (parameter.in === 'header') headers[parameter.name] = headerText(value);
  }
  if (spoiled === 'query')
    query.append(wellFormed(dice.pick([...HOSTILE_TEXTS, ...query.keys(), 'limit'])), wellFormed(dice.pick(HOSTILE_TEXTS)));
  if (spoiled === 'header')
    headers[dice.pick(['x-forwarded-for', 'cookie', 'range', 'last-event-id', 'accept', 'expect-ct'])] = headerText(
      dice.pick(HOSTILE_TEXTS),
    );
  if (spoiled === 'token')
    headers['authorization'] = headerText(
      dice.pick(['Bearer ', 'Basic YTpi', 'Bearer bearer', ...HOSTILE_TEXTS.map((text) => `Bearer ${text}`)]),
    );
  if (spoiled === 'path')
    path = dice.pick([
      `${path}/`,
      `/${path}`,
      path.replace('/api', '/api/..'),
      `${path}/%2e%2e/%2e%2e`,
      path.toUpperCase(),
      `${path};a=b`,
      `${path}%00`,
    ]);
  const text = query.toString();
  return {
    operation,
    method: operation.method,
    path: rawPath(text === '' ? path : `${path}?${text}`),
    isHostile: spoiled !== undefined,
    ...(requestBody === undefined
      ? { headers }
      : withBody(headers, requestBody.content, operation.operation.operationId === 'submitJob', things, dice, document, spoiled)),
  };
}

function withBody(
  headers: Record<string, string>,
  content: NonNullable<PlacedOperation['operation']['requestBody']>['content'],
  isJobFile: boolean,
  { jobFile }: KnownThings,
  dice: Dice,
  document: OpenApiDocument,
  spoiled: Part | undefined,
): Pick<RestRequest, 'headers' | 'body'> {
  const [type, { schema }] = Object.entries(content)[0]!;
  const contentType =
    spoiled === 'type'
      ? dice.pick(['text/plain', 'application/xml', 'multipart/form-data', 'x', 'application/json; charset=utf-16'])
      : type;
  const valid = isJobFile ? jobFile : validValue(schema, dice, document);
  const value = spoiled === 'body' ? hostileValue(schema, dice, document) : valid;
  const body =
    spoiled === 'bytes'
      ? dice.pick(['{', '', '[]]', '"', '{"a":', 'nul', ' '.repeat(400_000), '{"data":'.repeat(3000), '\u0000'])
      : JSON.stringify(value ?? null);
  return { headers: { ...headers, 'content-type': contentType }, body };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}

/** Lone surrogates cannot be sent. */
const wellFormed = (text: string): string => Buffer.from(text).toString();
const encode = (text: string): string => encodeURIComponent(wellFormed(text));

/** What a header can carry at all: others are refused by the client itself. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e\x80-\xff]/g, '?').trim();
}

/** What a request line can carry at all. */
function rawPath(path: string): string {
  const safe = path.replace(/[^\x21-\x7e]/g, (character) => encode(character));
  return (safe.startsWith('/') ? safe : `/${safe}`).slice(0, 8000);
}
