import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { MaestroError } from '../errors.ts';
import { printable } from '../printable.ts';

/** Host and port of `host:port`; IPv6 hosts are in brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses a listen address, taken from `variable`.
 * @throws MaestroError `invalid-argument` for anything but `host:port`.
 */
export function splitAddress(address: string, variable?: string): HostAndPort {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:\s]+):(\d{1,5})$/i.exec(address) ?? [];
  if (host === undefined || Number(port) > 65535)
    throw new MaestroError(
      'invalid-argument',
      `${variable === undefined ? 'address ' : `${variable}=`}${printable(address)}: expected host:port, such as 127.0.0.1:7080`,
    );
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** A listen address and its protection. */
export interface Bind {
  /** The variable that set the address. */
  readonly variable: string;
  /** host:port, or `unix:path`. */
  readonly address: string;
  readonly isProtected: boolean;
  /** Setting that would protect it, for the error message. */
  readonly remedy: string;
  /** `MAESTRO_TRUSTED_NETWORK`: networks such as 172.16.0.0/12, separated by commas, that only this cluster can reach. */
  readonly trustedNetworks?: string | undefined;
}

/**
 * Refuses to listen without protection when machines other than this one, or outside a trusted network, could connect.
 * @throws MaestroError `invalid-argument` that says what to set.
 */
export async function requireSafeBind({ variable, address, isProtected, remedy, trustedNetworks = '' }: Bind): Promise<void> {
  if (isProtected || address.startsWith('unix:')) return;
  const { host } = splitAddress(address, variable);
  const trusted = readNetworks(trustedNetworks);
  const found = isIP(host) > 0 ? [host] : (await lookup(host, { all: true })).map((each) => each.address);
  if (found.every((ip) => trusted.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4'))) return;
  throw new MaestroError(
    'invalid-argument',
    `${variable}=${address}: other machines could connect without authentication; ${remedy}, or listen on 127.0.0.1`,
  );
}

/** Returns loopback and the networks of the list. */
function readNetworks(text: string): BlockList {
  const networks = new BlockList();
  networks.addSubnet('127.0.0.0', 8, 'ipv4');
  networks.addAddress('::1', 'ipv6');
  for (const part of text.split(',').filter((each) => each.trim() !== '')) {
    const [address = '', bits = ''] = part.trim().split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || !/^\d+$/.test(bits) || Number(bits) < 8 || Number(bits) > most) {
      throw new MaestroError('invalid-argument', `MAESTRO_TRUSTED_NETWORK: expected networks such as 172.16.0.0/12, found ${part}`);
    }
    networks.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  }
  return networks;
}
