import { type PathRoots, readEnvironment, readRoots, readTls, requireSafeBind, type TlsFiles } from '@maestro/protocol';
import { type Access, openAccess, readTokens } from './tokens.ts';

/** Protection of a coordinator. */
export interface Security {
  readonly access: Access;
  readonly tls: TlsFiles | undefined;
  readonly roots: PathRoots;
}

/**
 * Reads `MAESTRO_TOKENS`, `MAESTRO_TLS_CERT`, `_KEY` and `_CA`, `MAESTRO_DATA_ROOTS` and `MAESTRO_TRUSTED_NETWORK`, and refuses to listen
 * unprotected where strangers could connect.
 *
 * @throws MaestroError `invalid-argument` that says what to set.
 */
export async function readSecurity(at: {
  readonly listen: string;
  readonly httpListen: string;
  readonly dataDir: string;
  readonly checkpoints?: string | undefined;
}): Promise<Security> {
  const { MAESTRO_TOKENS: tokenText, MAESTRO_DATA_ROOTS: rootText, MAESTRO_TRUSTED_NETWORK: trustedNetworks } = readEnvironment();
  const tokens = await readTokens(tokenText);
  // Children do not need them, and no page can show them; `scrubEnvironment` handles /proc.
  delete process.env['MAESTRO_TOKENS'];
  const tls = readTls();
  const remedy = 'set MAESTRO_TOKENS to lines name:role:token';
  const hasTokens = tokens.length > 0;
  const grpc = { variable: 'MAESTRO_GRPC_LISTEN', address: at.listen, isProtected: hasTokens || tls !== undefined };
  await requireSafeBind({ ...grpc, remedy: `${remedy}, or MAESTRO_TLS_CERT, MAESTRO_TLS_KEY and MAESTRO_TLS_CA`, trustedNetworks });
  await requireSafeBind({ variable: 'MAESTRO_HTTP_LISTEN', address: at.httpListen, isProtected: hasTokens, remedy, trustedNetworks });
  return {
    access: openAccess(tokens),
    tls,
    roots: readRoots(rootText, [at.dataDir, ...(at.checkpoints === undefined ? [] : [at.checkpoints])]),
  };
}
