import { openSession } from '../session.ts';
import { selfTestModel } from './selfTestModel.ts';

/** A process that does nothing but open a session on WebGPU: a driver that crashes takes this process along, and no other. */
const session = await openSession('self-test model', selfTestModel(), { threads: 1, device: 'webgpu' });
await session.release();
