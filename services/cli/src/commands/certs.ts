import { resolve } from 'node:path';
import type { Command } from 'commander';
import { initAuthority, issueCertificate } from '../cluster/certificates.ts';
import { withExamples } from '../job/examples.ts';
import { collect } from '../terminal/options.ts';

/** `maestro certs init|issue`: a private authority, and certificates for the services of a cluster. */
export function addCertsCommands(program: Command): void {
  const certs = program
    .command('certs')
    .description('make the certificates with which coordinator, workers and clients know each other (mutual TLS)');

  const init = certs
    .command('init')
    .description('make a private authority in a folder, and a first certificate `service` that names this machine')
    .argument('<dir>', 'folder; keep its ca-key.pem to yourself')
    .option('--host <name>', 'host name or IP address that the certificate also holds for; may be given several times', collect, [])
    .action(async (dir: string, { host }: { host: string[] }) => {
      const folder = resolve(dir);
      await initAuthority(folder);
      const files = await issueCertificate(folder, 'service', host);
      process.stdout.write(`authority in ${folder}; give every service and client:\n${settings(files)}`);
    });

  const issue = certs
    .command('issue')
    .description('issue one more certificate, for a service that is reached by other names')
    .argument('<dir>', 'folder of `certs init`')
    .argument('<name>', 'what the files are called')
    .option('--host <name>', 'host name or IP address that it holds for; may be given several times', collect, [])
    .action(async (dir: string, name: string, { host }: { host: string[] }) => {
      process.stdout.write(settings(await issueCertificate(resolve(dir), name, host)));
    });
  withExamples(init, [
    ['maestro certs init certs --host coordinator.example', 'an authority, and a certificate that holds for this machine and that name'],
  ]);
  withExamples(issue, [['maestro certs issue certs worker-a --host 10.0.0.5', 'a certificate for a worker on another machine']]);
}

function settings({ cert, key, ca }: { readonly cert: string; readonly key: string; readonly ca: string }): string {
  return `  MAESTRO_TLS_CERT=${cert}\n  MAESTRO_TLS_KEY=${key}\n  MAESTRO_TLS_CA=${ca}\n`;
}
