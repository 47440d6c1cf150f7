import { type ParameterSpec } from '@maestro/tensors';
import { type MaeConfig } from './config.ts';
/**
 * The parameters in the order the data meets them, all of them trainable: the encoder first, so that it is a prefix of every flat vector.
 * The position tables are constants and are not among them. The order is part of a job's identity (initialisation draws by index).
 */
export declare function parameterSpecs(config: MaeConfig): ParameterSpec[];
/** Whether a parameter belongs to the encoder, which is what is kept after pre-training. */
export declare function isEncoderParameter({ name }: Pick<ParameterSpec, 'name'>): boolean;
//# sourceMappingURL=parameters.d.ts.map
