import { z } from 'zod';
import { MaestroError } from '../errors.ts';

/** Default and maximum number of items on a page. */
const DEFAULT_PAGE_LIMIT = 50;
export const MOST_PAGE_LIMIT = 200;

/** Result of {@link encodeCursor}: `c1:` and a key, in base64url. */
const CURSOR = /^YzE6(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/;
const NO_CURSOR = 'not a cursor of an earlier page; omit it to start with the first page';

/** Query of a list, without its filters. */
export const pageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MOST_PAGE_LIMIT).default(DEFAULT_PAGE_LIMIT).describe('maximum number of items on this page'),
  cursor: z.string().max(200).regex(CURSOR, NO_CURSOR).optional().describe('nextCursor of the previous page'),
});

/** See {@link pageQuerySchema}. */
export type PageQuery = z.infer<typeof pageQuerySchema>;

/** Schema of a page of `item`s. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().optional().describe('opaque; absent on the last page'),
  });
}

/** One page, and the cursor of the next. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor?: string;
}

/**
 * Cuts a page from a list sorted by its distinct keys. The cursor holds the key of the last item, so that items added or removed between
 * two pages neither duplicate nor hide others.
 *
 * @throws MaestroError `invalid-argument` for a cursor that was never issued.
 */
export function pageOf<Item>(
  items: readonly Item[],
  { limit, cursor }: PageQuery,
  keyOf: (item: Item) => string,
  order: 'ascending' | 'descending',
): Page<Item> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const isLater = (key: string): boolean => after === undefined || (order === 'ascending' ? key > after : key < after);
  const sign = order === 'ascending' ? 1 : -1;
  const rest = items.filter((item) => isLater(keyOf(item)));
  rest.sort((a, b) => (keyOf(a) < keyOf(b) ? -sign : sign));
  const page = rest.slice(0, limit);
  return { items: page, ...(rest.length > limit && { nextCursor: encodeCursor(keyOf(page.at(-1)!)) }) };
}

const CURSOR_VERSION = 'c1:';

/** Makes a key opaque, so that nobody builds one by hand. */
export function encodeCursor(key: string): string {
  return Buffer.from(`${CURSOR_VERSION}${key}`).toString('base64url');
}

/** Inverse of {@link encodeCursor}. @throws MaestroError `invalid-argument` for any other text. */
export function decodeCursor(cursor: string): string {
  if (!CURSOR.test(cursor)) throw new MaestroError('invalid-argument', `cursor: ${NO_CURSOR}`);
  return Buffer.from(cursor, 'base64url').toString().slice(CURSOR_VERSION.length);
}

/** Encodes a number as a key that sorts numerically. */
export function numberKey(value: number): string {
  return String(value).padStart(16, '0');
}
