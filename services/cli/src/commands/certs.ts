import { resolve } from 'node:path';
import type { Command } from 'commander';
import { initAuthority, issueCertificate } from '../cluster/certificates.ts';
import { withExamples } from '../job/examples.ts';
import { collect } from '../terminal/options.ts';

/** Adds `maestro certs init|issue`: a private authority, and certificates for the services of a cluster. */
export function addCertsCommands(program: Command): void {
  const certs = program
    .command('certs')
    .description('create the certificates that coordinator, workers and clients authenticate with (mutual TLS)');

  const init = certs
    .command('init')
    .description('create a private certificate authority in a folder, and a first certificate `service` for this machine')
    .argument('<dir>', 'folder; keep its ca-key.pem secret')
    .option('--host <name>', 'additional host name or IP address that the certificate is valid for; may be repeated', collect, [])
    .action(async (dir: string, { host }: { host: string[] }) => {
      const folder = resolve(dir);
      await initAuthority(folder);
      const files = await issueCertificate(folder, 'service', host);
      process.stdout.write(`certificate authority in ${folder}; set for every service and client:\n${settings(files)}`);
    });

  const issue = certs
    .command('issue')
    .description('issue another certificate, for a service at other host names')
    .argument('<dir>', 'folder of `certs init`')
    .argument('<name>', 'base name of the files')
    .option('--host <name>', 'host name or IP address that it is valid for; may be repeated', collect, [])
    .action(async (dir: string, name: string, { host }: { host: string[] }) => {
      process.stdout.write(settings(await issueCertificate(resolve(dir), name, host)));
    });
  withExamples(init, [
    ['maestro certs init certs --host coordinator.example', 'an authority, and a certificate valid for this machine and that name'],
  ]);
  withExamples(issue, [['maestro certs issue certs worker-a --host 10.0.0.5', 'a certificate for a worker on another machine']]);
}

function settings({ cert, key, ca }: { readonly cert: string; readonly key: string; readonly ca: string }): string {
  return `  MAESTRO_TLS_CERT=${cert}\n  MAESTRO_TLS_KEY=${key}\n  MAESTRO_TLS_CA=${ca}\n`;
}
