import { MaestroError } from '@maestro/protocol';

/** Host and port of `host:port`; IPv6 hosts stand in brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads a listen address.
 * @throws MaestroError `invalid-argument` for anything but `host:port`.
 */
export function splitAddress(address: string): HostAndPort {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:\s]+):(\d{1,5})$/i.exec(address) ?? [];
  if (host === undefined || Number(port) > 65535)
    throw new MaestroError('invalid-argument', `address ${address}: expected host:port, such as 127.0.0.1:7080`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
