import { maeConfig } from '@maestro/mae';
import { type JobSpec, MaestroError } from '@maestro/protocol';

/**
 * Completes the job file of a measuring job with the model and normalisation that its checkpoint was trained with. `given` is the file as
 * written: what it says of them must agree.
 * @throws MaestroError `invalid-argument` that names what differs in the checkpoint.
 */
export function withModelOf(spec: JobSpec, trained: JobSpec, given: unknown): JobSpec {
  const { model = {}, augment = {} } = given as Partial<Pick<JobSpec, 'model' | 'augment'>>;
  const { mean, std } = trained.augment;
  const problems = [
    ...differences('model', model, { ...trained.model, ...maeConfig(trained.model) }),
    ...differences('augment', { mean, std, ...augment }, { ...spec.augment, mean, std }),
  ];
  if (problems.length > 0) {
    throw new MaestroError('invalid-argument', `job file: ${problems.join('; ')}; omit them, the checkpoint defines them`, {
      details: { issues: problems },
    });
  }
  const statistics = { ...(mean !== undefined && { mean }), ...(std !== undefined && { std }) };
  return { ...spec, model: trained.model, augment: { ...spec.augment, ...statistics } };
}

function differences(section: string, said: object, is: object): string[] {
  const text = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
  return Object.entries(said).flatMap(([key, value]) => {
    const found = (is as Readonly<Record<string, unknown>>)[key];
    return text(value) === text(found) ? [] : [`${section}.${key}: the checkpoint was trained with ${text(found)}, found ${text(value)}`];
  });
}
