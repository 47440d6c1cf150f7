// @ts-check
import { ApiError, request } from '../api.js';
import { count } from '../format.js';

/** @typedef {import('../parts/schemaForm.js').Values} Values @typedef {import('../types/api.d.ts').DataSurvey} DataSurvey
 * @typedef {readonly (readonly string[])[]} Places Sections of a job file that say where a data set is. */

/** What a job file has at a place. @param {Values} values @param {readonly string[]} place @returns {object} */
export function sectionAt(values, place) {
  const found = place.reduce((/** @type {any} */ at, key) => at?.[key], values);
  return typeof found === 'object' && found !== null ? found : {};
}

/**
 * The server's problems for a form that lets the format be found: what it says of a format that nobody chose is said of the path.
 * @param {readonly string[]} problems @param {Values} values @param {ReadonlyMap<string, DataSurvey | 'asked'>} surveys
 * @param {Places} places
 */
export function problemsOfForm(problems, values, surveys, places) {
  return problems.map((problem) => {
    const place = places.find((each) =>
      [`${each.join('.')}:`, `${each.join('.')}.format:`, `${each.join('.')}.path:`].some((start) => problem.startsWith(start)),
    );
    if (place === undefined) return problem;
    const { path, format } = /** @type {{ path?: string, format?: string }} */ (sectionAt(values, place));
    const at = `${place.join('.')}.path`;
    if (path === undefined) return `${at}: enter the location of the images`;
    const survey = surveys.get(path);
    if (format !== undefined || typeof survey !== 'object') return problem;
    return survey.problem === undefined ? `${place.join('.')}.format: could not be detected; choose one` : `${at}: ${survey.problem}`;
  });
}

/**
 * What the coordinator sees at a path; undefined when it could not be asked, so that it is asked again.
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<DataSurvey | undefined>}
 */
export async function surveyOf(path, signal) {
  try {
    return await request(`/api/v1/data?path=${encodeURIComponent(path)}`, { signal });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 0 || error.status === 429 || error.status >= 500) return undefined;
    return { path, isAll: false, classes: [], classCount: 0, problem: error.message };
  }
}

/**
 * What was found at the paths, to stand at their fields.
 * @param {Values} values
 * @param {ReadonlyMap<string, DataSurvey | 'asked'>} surveys
 * @param {Places} places
 */
export function notesOf(values, surveys, places) {
  /** @type {Map<string, import('../parts/schemaForm.js').FieldNote>} */
  const notes = new Map();
  for (const place of places) {
    const { path, format } = /** @type {{ path?: string, format?: string }} */ (sectionAt(values, place));
    const survey = surveys.get(path ?? '');
    if (survey !== undefined) notes.set([...place, 'path'].join('.'), noteOf(survey, format));
  }
  return notes;
}

const FORMAT_NAMES = /** @type {Record<string, string>} */ ({
  idx: 'IDX files',
  'image-folder': 'a folder of images',
  webdataset: 'a packed data set',
});

/** @param {DataSurvey | 'asked'} survey @param {string | undefined} format @returns {import('../parts/schemaForm.js').FieldNote} */
function noteOf(survey, format) {
  if (survey === 'asked') return { tone: 'grey', text: 'looking at it…' };
  const { format: found, samples, isAll, classes, classCount, problem, note } = survey;
  if (problem !== undefined) return { tone: 'red', text: problem };
  const name = FORMAT_NAMES[found ?? ''] ?? 'something unknown';
  if (format !== undefined && found !== undefined && format !== found)
    return { tone: 'amber', text: `it looks like ${name} (format ${found}), not ${format}` };
  if (note !== undefined) return { tone: 'grey', text: `${name}: ${note}` };
  const images = `${isAll ? '' : 'more than '}${count(samples)} images`;
  const named = classes.slice(0, 4).map(({ name: each, samples: own }) => `${each} ${count(own)}`);
  const folders =
    classCount === 0 ? '' : `, in ${count(classCount)} class folders: ${named.join(', ')}${classCount > named.length ? ', …' : ''}`;
  return { tone: 'green', text: `${name}: ${images}${folders}` };
}
