import { execFile } from 'node:child_process';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MaestroError } from '@maestro/protocol';

const AUTHORITY_DAYS = 3650;
/** Clients in common use accept no longer ones. */
const CERTIFICATE_DAYS = 825;

/** Paths of a certificate, its key and its authority. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/**
 * Creates a private authority in `dir`: `ca.pem` and `ca-key.pem` (P-256, readable only by the owner).
 * @throws MaestroError `conflict` when there is one already, `unavailable` without openssl.
 */
export async function initAuthority(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (await exists(join(dir, 'ca-key.pem'))) {
    throw new MaestroError(
      'conflict',
      `certs: ${dir} already has a certificate authority; use \`maestro certs issue\` to issue more certificates`,
    );
  }
  await makeKey(join(dir, 'ca-key.pem'));
  const config = join(dir, 'ca.cnf');
  const extensions = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign', 'subjectKeyIdentifier=hash'];
  await writeFile(
    config,
    `[req]\ndistinguished_name=name\nprompt=no\nx509_extensions=ca\n[name]\nCN=maestro private authority\n[ca]\n${extensions.join('\n')}\n`,
  );
  try {
    await openssl(
      'req',
      '-x509',
      '-new',
      '-sha256',
      '-config',
      config,
      '-key',
      join(dir, 'ca-key.pem'),
      '-days',
      String(AUTHORITY_DAYS),
      '-out',
      join(dir, 'ca.pem'),
    );
  } finally {
    await rm(config, { force: true });
  }
}

/**
 * Issues `NAME.pem` and `NAME-key.pem` for a service: valid for localhost, this machine's name and `hosts`, as server and as client.
 * @throws MaestroError `not-found` without an authority in `dir`, `invalid-argument` for an invalid name or host, `unavailable` without
 * openssl.
 */
export async function issueCertificate(dir: string, name: string, hosts: readonly string[]): Promise<CertificateFiles> {
  if (!/^[\w.-]{1,64}$/.test(name))
    throw new MaestroError('invalid-argument', `certs: name ${name}: expected letters, digits, dots and dashes`);
  const all = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...hosts])];
  const wrong = all.find((host) => isIP(host) === 0 && !/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(host));
  if (wrong !== undefined) throw new MaestroError('invalid-argument', `certs: host ${wrong}: expected a host name or an IP address`);
  const ca = join(dir, 'ca.pem');
  if (!(await exists(ca)))
    throw new MaestroError('not-found', `certs: no certificate authority in ${dir}; create one with \`maestro certs init ${dir}\``);
  const files = { cert: join(dir, `${name}.pem`), key: join(dir, `${name}-key.pem`), ca };
  const [request, config] = [join(dir, `${name}.csr`), join(dir, `${name}.cnf`)];
  const names = all.map((host) => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`).join(',');
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth,clientAuth',
    `subjectAltName=${names}`,
  ];
  try {
    await makeKey(files.key);
    await writeFile(config, `[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN=${name}\n[service]\n${extensions.join('\n')}\n`);
    await openssl('req', '-new', '-sha256', '-config', config, '-key', files.key, '-out', request);
    const authority = ['-CA', ca, '-CAkey', join(dir, 'ca-key.pem'), '-CAcreateserial', '-days', String(CERTIFICATE_DAYS)];
    await openssl(
      'x509',
      '-req',
      '-sha256',
      '-in',
      request,
      ...authority,
      '-extfile',
      config,
      '-extensions',
      'service',
      '-out',
      files.cert,
    );
  } finally {
    await Promise.all([rm(request, { force: true }), rm(config, { force: true })]);
  }
  return files;
}

async function makeKey(file: string): Promise<void> {
  // Created before it is filled, so that it is never readable by others.
  await writeFile(file, '', { mode: 0o600 });
  await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file);
}

/** Runs openssl, which issues the certificates: Node's crypto cannot. */
async function openssl(...args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('openssl', [...args]);
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === 'ENOENT')
      throw new MaestroError(
        'unavailable',
        'certs: openssl is not installed; install it (apt-get install openssl) or use your own certificates',
        { cause },
      );
    throw new MaestroError('internal', `internal: openssl ${args[0]} failed: ${(stderr ?? '').trim().split('\n').at(-1)}`, { cause });
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
