import { Ajv2020 } from 'ajv/dist/2020.js';
import type { OpenApiDocument } from './openApi.ts';
import type { RestRequest } from './restRequests.ts';
import type { RestAnswer } from './sendRequest.ts';

/** Says what is wrong with an answer; undefined when nothing is. */
export type Judge = (request: RestRequest, answer: RestAnswer) => string | undefined;

/** Holds answers against the document: status, media type and schema are among those that it lists for the operation. */
export function answerJudge(document: OpenApiDocument): Judge {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'api');
  const validators = new Map<string, ReturnType<typeof ajv.compile>>();
  const validate = (pointer: string) => {
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `api#${pointer}` });
    validators.set(pointer, known);
    return known;
  };

  return ({ operation: { path, method, operation } }, { status, contentType, body, isCut, failure }) => {
    if (failure !== undefined) return `no answer: ${failure}`;
    const type = contentType.split(';', 1)[0]!.trim();
    const listed = [String(status), `${String(status)[0]}XX`, 'default'].find((key) => operation.responses[key] !== undefined);
    if (listed === undefined) return `status ${status} is not listed`;
    const content = operation.responses[listed]!.content;
    if (content === undefined) return body === '' ? undefined : `status ${status} has a body that is not listed`;
    if (content[type] === undefined) return `status ${status} has the type ${type}, listed: ${Object.keys(content).join(', ')}`;
    if (!/json$/.test(type) || isCut || type.includes('ndjson')) return undefined;
    const pointerPart = (key: string): string => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
    const check = validate(`/paths/${pointerPart(path)}/${method.toLowerCase()}/responses/${listed}/content/${pointerPart(type)}/schema`);
    const value: unknown = JSON.parse(Buffer.from(body, 'latin1').toString());
    return check(value) ? undefined : `status ${status}: ${ajv.errorsText(check.errors)}`;
  };
}
