import { parseArgs } from 'node:util';
import { DEVICES, errorMessage, isDevice, isMaestroError } from '@maestro/protocol';
import { type CheckPlan, PARTS, type Part } from './checkPlan.ts';
import { beginReport, type CheckReport, runCheck } from './runCheck.ts';
import { CASE_NAMES, type CaseName } from './trainingCase.ts';

/**
 * `gpu-check.sh` and
 * `npm run gpu-check -- [--device cpu|cuda|webgpu] [--only PART,..] [--models NAME,..] [--timed-model NAME] [--batches N,..] [--runs N]`:
 * one JSON object on standard output, progress on standard error; exit code 0 when all passed, 1 when something did not, 3 when the device
 * cannot be used, 2 when it was called wrongly. Who is stopped by a signal prints what there is so far.
 */
const OPTIONS = {
  device: { type: 'string', default: 'cuda' },
  only: { type: 'string', default: PARTS.join() },
  models: { type: 'string' },
  'timed-model': { type: 'string', default: 'vitB' },
  batches: { type: 'string' },
  runs: { type: 'string' },
} as const;

function optionsGiven() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new RangeError(errorMessage(error));
  }
}

function listOf<Name extends string>(what: string, text: string, known: readonly Name[]): Name[] {
  const names = text.split(',');
  const unknown = names.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new RangeError(`${what} ${unknown}: expected ${known.join(', ')}`);
  return names as Name[];
}

function planOf(): CheckPlan {
  const values = optionsGiven();
  const { device } = values;
  if (!isDevice(device)) throw new RangeError(`--device ${device}: expected ${DEVICES.join(', ')}`);
  const isFast = device === 'cuda';
  const numbers = (values.batches ?? (isFast ? '8,16,32,64,128' : '1,2')).split(',').map(Number);
  const runs = Number(values.runs ?? (isFast ? 20 : 2));
  if (![...numbers, runs].every((value) => Number.isInteger(value) && value > 0))
    throw new RangeError('--batches and --runs take whole numbers');
  return {
    device,
    parts: listOf<Part>('--only', values.only, PARTS),
    models: listOf<CaseName>('--models', values.models ?? (device === 'webgpu' ? 'nano,tiny' : CASE_NAMES.join()), CASE_NAMES),
    timedModel: listOf<CaseName>('--timed-model', values['timed-model'], CASE_NAMES)[0]!,
    batches: numbers,
    runs,
  };
}

/** JSON has no Infinity and no NaN; as text they do not get lost. */
function print(report: object): void {
  const told = (_: string, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);
  process.stdout.write(`${JSON.stringify(report, told, 2)}\n`);
}

let report: Partial<CheckReport> = { passed: false };
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    print({ ...report, passed: false, error: `stopped by ${signal}` });
    process.exit(1);
  });
}
try {
  const plan = planOf();
  const begun = beginReport(plan);
  report = begun;
  await runCheck(plan, begun, (part) => process.stderr.write(`gpu-check: ${part}\n`));
  print(begun);
  process.exitCode = begun.passed ? 0 : 1;
} catch (error) {
  process.stderr.write(`gpu-check: ${errorMessage(error)}\n`);
  const details = isMaestroError(error) ? { code: error.code, ...error.details } : {};
  print({ ...report, passed: false, error: errorMessage(error), ...details });
  process.exitCode = isMaestroError(error, 'device-unavailable') ? 3 : error instanceof RangeError ? 2 : 1;
}
