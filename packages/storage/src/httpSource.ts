import { MaestroError } from '@maestro/protocol';
import { joinLocation } from './location.ts';
import { bodyBytes, bodyWithin, request } from './request.ts';
import type { Source } from './storage.ts';

/** One request to the server. */
interface Question<T> {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly read: (response: Response, url: string) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a web server's files below an address. Redirects are not followed: they could lead outside what a cluster's owner allowed.
 * @throws MaestroError `invalid-argument` for an address that holds a password
 */
export function openHttpSource(location: string): Source {
  const { username, password } = new URL(location);
  if (username !== '' || password !== '') throw new MaestroError('invalid-argument', 'a URL must not contain a user name or password');

  const ask = <T>(name: string, { method = 'GET', headers = {}, read, signal }: Question<T>): Promise<T> => {
    const url = joinLocation(location, ...name.split('/').map(encodeURIComponent));
    return request({
      what: `${method} ${url}`,
      send: (inner) => fetch(url, { method, headers, redirect: 'manual', signal: inner }),
      read: async (response) => {
        if (response.ok) return read(response, url);
        await response.body?.cancel();
        throw refusal(response, url);
      },
      signal,
    });
  };

  return {
    location,
    readRange: (name, { begin, end }, signal) =>
      ask(name, {
        headers: { range: `bytes=${begin}-${end - 1}` },
        read: async (response, url) => {
          if (response.status === 206) return bodyBytes(response, end - begin, url);
          await response.body?.cancel();
          throw new MaestroError('storage', `${url}: the server does not support range requests; use one that does`);
        },
        signal,
      }),
    readWhole: (name, { limitBytes, signal }) => ask(name, { read: (response, url) => bodyWithin(response, limitBytes, url), signal }),
    sizeOf: (name, signal) =>
      ask(name, {
        method: 'HEAD',
        headers: { 'accept-encoding': 'identity' },
        read: async (response, url) => {
          const length = response.headers.get('content-length');
          if (length === null) throw new MaestroError('storage', `${url}: the server does not report the file's size`);
          return Number(length);
        },
        signal,
      }),
  };
}

function refusal({ status, statusText, headers }: Response, url: string): MaestroError {
  if (status === 404) return new MaestroError('not-found', `${url}: the server has no such file`);
  if (status >= 300 && status < 400)
    return new MaestroError('storage', `${url}: the server redirects to ${headers.get('location')}; use that URL instead`);
  return new MaestroError('storage', `${url}: the server answered ${status} ${statusText}`, { details: { status } });
}
