import { DEVICES, isDevice, MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';

/** Adds `maestro doctor`: checks whether this machine has what maestro needs, and advises what to do otherwise. */
export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command('doctor')
    .description(
      'check Node, Redis, ONNX Runtime, CUDA, WebGPU, memory, disk and network namespaces; exit code 1 when something that is ' +
        'needed is missing',
    )
    .option('--device <device>', 'also require cuda or webgpu', 'cpu')
    .option('--json', 'print JSON')
    .action(async ({ device, json }: { device: string; json?: boolean }) => {
      if (!isDevice(device)) throw new MaestroError('invalid-argument', `doctor: --device ${device}: expected ${DEVICES.join(', ')}`);
      const { examineMachine } = await import('../cluster/examineMachine.ts');
      const findings = await examineMachine(device);
      const lines = findings.map(
        ({ name, ok, required, detail }) => `${ok ? 'ok     ' : required ? 'MISSING' : 'absent '}  ${name.padEnd(12)} ${detail}`,
      );
      process.stdout.write(`${json === true ? JSON.stringify(findings) : lines.join('\n')}\n`);
      if (findings.some(({ ok, required }) => required && !ok)) process.exitCode = 1;
    });
  withExamples(doctor, [
    ['maestro doctor', 'before the first cluster'],
    ['maestro doctor --device cuda', 'find out why an NVIDIA GPU is not used'],
    ['maestro doctor --device webgpu', 'find out why another GPU is not used'],
  ]);
}
