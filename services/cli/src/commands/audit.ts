import type { Command } from 'commander';
import { auditText } from '../job/auditText.ts';
import { withExamples } from '../job/examples.ts';
import { findJob, JOB_HELP } from '../job/findJob.ts';
import { printResult } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

/** Adds `maestro audit JOB`: checks, from the ledger alone, that every sample was taken once. */
export function addAuditCommand(program: Command): void {
  const command = program
    .command('audit')
    .description('check that every sample of a job was consumed exactly once, and by which worker; exit code 1 if not')
    .argument('<job>', JOB_HELP)
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const audit = await withClient(program, (client) => findJob(client, id, (found) => client.auditJob(found)));
      printResult(json, audit, auditText);
      if (!audit.isClean) process.exitCode = 1;
    });
  withExamples(command, [
    ['maestro audit JOB', 'at any time, even after crashes and restarts'],
    ['maestro audit JOB --json | jq .problems', 'list the problems, if any'],
  ]);
}
