// @ts-check
import { ApiError, errorText, request } from '../api.js';
import { h, onceAFrame, patch } from '../dom.js';
import { toast } from '../parts/dialog.js';
import { errorNotice, loadingNotice, panel } from '../parts/notice.js';
import { initialValues, schemaForm, withValue } from '../parts/schemaForm.js';
import { navigate, setQuery } from '../router.js';
import { parse, stringify } from '../yaml/index.js';
import { notesOf, problemsOfForm, sectionAt, surveyOf } from './dataNotes.js';
import { verdict } from './jobVerdict.js';

/**
 * @typedef {import('../types/api.d.ts').SchemaNode} SchemaNode
 * @typedef {import('../parts/schemaForm.js').Values} Values
 * @typedef {import('../types/api.d.ts').DataSurvey} DataSurvey
 */

const CHECK_DELAY_MS = 350;

/**
 * A new job: a form made from the schema, or the file as text; checked by the server while one types.
 * @param {HTMLElement} root
 * @param {import('../router.js').Place} place
 * @returns {import('../types/api.d.ts').Page}
 */
export function submitPage(root, { query }) {
  /**
   * @type {{ schema?: SchemaNode, values: Values, text: string, tab: string, errors: string[], spec?: any, error?: unknown,
   *   isChecked: boolean, isTouched: boolean, isSending: boolean, surveys: Map<string, DataSurvey | 'asked'>, warnings: readonly string[],
   *   plan?: any, recipe?: any, places: readonly (readonly string[])[] }}
   */
  const state = {
    values: {},
    text: '',
    tab: query.get('as') === 'file' ? 'file' : 'form',
    errors: [],
    isChecked: false,
    isTouched: false,
    isSending: false,
    surveys: new Map(),
    places: [],
    warnings: [],
  };
  // One key for this page: a submit that is sent twice, by an impatient hand or a broken connection, makes one job.
  const idempotencyKey = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const ending = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let turn = 0;

  const render = onceAFrame(() => {
    if (state.schema === undefined)
      patch(
        root,
        head(),
        state.error === undefined ? loadingNotice('the form') : errorNotice('Cannot show the form', errorText(state.error), load),
      );
    else patch(root, head(), body(state.schema));
  });

  const jobFile = () => (state.tab === 'form' ? state.values : parse(state.text));

  /** Looks at the paths that the form names; a format that was not chosen is the one that is found. */
  const lookAtData = async () => {
    const own = turn;
    for (const place of state.places) {
      const { path, format } = /** @type {{ path?: unknown, format?: unknown }} */ (sectionAt(state.values, place));
      if (typeof path !== 'string' || path === '') continue;
      if (!state.surveys.has(path)) {
        state.surveys.set(path, 'asked');
        render();
        const survey = await surveyOf(path, ending.signal);
        if (ending.signal.aborted) return;
        if (survey === undefined) state.surveys.delete(path);
        else state.surveys.set(path, survey);
      }
      const found = state.surveys.get(path);
      if (own !== turn || state.schema === undefined || format !== undefined) continue;
      if (typeof found !== 'object' || found.format === undefined) continue;
      state.values = withValue(state.schema, state.values, [...place, 'format'], found.format);
      foundFormats.add(place.join('.'));
    }
    render();
  };

  const check = async () => {
    const own = ++turn;
    if (state.tab === 'form') await lookAtData();
    if (own !== turn) return;
    /** @type {{ errors: string[], spec?: any, recipe?: any, plan?: any, warnings?: readonly string[] }} */
    let outcome;
    try {
      const { spec, recipe, plan, warnings } = await request('/api/v1/jobs?dryRun=true', {
        method: 'POST',
        body: jobFile() ?? {},
        signal: ending.signal,
      });
      outcome = { errors: [], spec, recipe, plan, warnings: warnings ?? [] };
    } catch (error) {
      if (ending.signal.aborted) return;
      outcome = { errors: problemsOf(error) };
    }
    if (own !== turn) return; // something was typed since
    Object.assign(state, { spec: undefined, recipe: undefined, plan: undefined, warnings: [], ...outcome, isChecked: true });
    render();
  };
  const checkSoon = () => {
    clearTimeout(timer);
    state.isTouched = true;
    timer = setTimeout(check, CHECK_DELAY_MS);
    render();
  };

  /** Formats that were found at a path, and not chosen: another path may have another one. @type {Set<string>} */
  const foundFormats = new Set();
  /** @param {SchemaNode} schema @param {readonly string[]} path @param {unknown} value */
  const change = (schema, path, value) => {
    const place = path.slice(0, -1);
    const isPath = path.at(-1) === 'path';
    if (foundFormats.delete(place.join('.')) && isPath) state.values = withValue(schema, state.values, [...place, 'format'], undefined);
    state.values = withValue(schema, state.values, path, value);
    checkSoon();
  };

  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    state.isSending = true;
    state.isTouched = true;
    render();
    try {
      const job = await request('/api/v1/jobs', { method: 'POST', body: jobFile() ?? {}, headers: { 'idempotency-key': idempotencyKey } });
      toast(`${job.name} is submitted`);
      navigate(`/jobs/${job.id}`);
    } catch (error) {
      Object.assign(state, { errors: problemsOf(error), isChecked: true, isSending: false, spec: undefined });
      render();
      requestAnimationFrame(() => /** @type {HTMLElement | null} */ (root.querySelector('[aria-invalid="true"]'))?.focus());
    }
  };

  const choose = (/** @type {string} */ tab) => {
    if (tab === state.tab) return;
    if (tab === 'file') state.text = Object.keys(state.values).length === 0 ? '' : stringify(state.values);
    else {
      try {
        state.values = parse(state.text) ?? {};
      } catch (error) {
        toast(`The file cannot be read yet: ${errorText(error)}`, { isError: true });
        return;
      }
    }
    state.tab = tab;
    setQuery({ as: tab === 'file' ? 'file' : undefined });
    render();
  };

  const head = () =>
    h(
      'div.page-head',
      {},
      h('h1', {}, 'New job'),
      h('p.muted', {}, 'Omitted keys take their defaults.'),
      h(
        'div.segments.end',
        { role: 'group', 'aria-label': 'How to write the job' },
        ...[
          ['form', 'Form'],
          ['file', 'YAML or JSON'],
        ].map(([tab = '', text]) =>
          h('button', { type: 'button', 'aria-pressed': String(state.tab === tab), onclick: () => choose(tab) }, text),
        ),
      ),
    );

  const body = (/** @type {SchemaNode} */ schema) => {
    const told = state.tab === 'form' ? problemsOfForm(state.errors, state.values, state.surveys, state.places) : state.errors;
    const shown = state.isTouched ? told : [];
    const atFields = new Map(shown.map((line) => splitProblem(line)));
    return h(
      'form.submit',
      { onsubmit: submit, novalidate: true },
      state.tab === 'form'
        ? schemaForm({
            schema,
            values: state.values,
            errors: atFields,
            notes: notesOf(state.values, state.surveys, state.places),
            change: (path, value) => change(schema, path, value),
          })
        : panel(
            'Job file',
            { note: 'YAML or JSON, as for `maestro submit`' },
            h('textarea.editor', {
              'aria-label': 'Job file',
              spellcheck: 'false',
              value: state.text,
              placeholder: 'name: my-images\ndata: { format: image-folder, path: /data/images }\nschedule: { epochs: 100 }\n',
              oninput: (/** @type {Event} */ event) => {
                state.text = /** @type {HTMLTextAreaElement} */ (event.target).value;
                checkSoon();
              },
            }),
          ),
      h('div.side', {}, side(shown)),
    );
  };

  const side = (/** @type {string[]} */ errors) =>
    panel(
      'Check',
      { note: 'by the coordinator, as you type' },
      !state.isChecked || (!state.isTouched && state.errors.length > 0)
        ? h(
            'p.muted',
            {},
            'Set the location of the images (data.path) and the length of the training (epochs or steps); everything else has a default.',
          )
        : errors.length === 0
          ? verdict(state)
          : h('ul.problems', { role: 'alert' }, ...errors.map((line) => h('li', {}, problemLink(line)))),
      h(
        'div.buttons',
        {},
        h('button.button.primary', { type: 'submit', disabled: state.isSending }, state.isSending ? 'Submitting…' : 'Submit'),
        h(
          'button.button',
          {
            type: 'button',
            onclick: () => {
              state.isTouched = true;
              check();
            },
          },
          'Dry run',
        ),
      ),
    );

  /** A problem leads to its field. @param {string} line */
  const problemLink = (line) => {
    const [path] = splitProblem(line);
    const focus = () => {
      const field = /** @type {HTMLElement | null} */ (root.querySelector(`[name="${CSS.escape(path)}"]`));
      const section = field?.closest('details');
      if (section) section.open = true;
      field?.focus();
    };
    return state.tab === 'form' ? h('button', { type: 'button', onclick: focus }, line) : line;
  };

  async function load() {
    state.error = undefined;
    try {
      const from = query.get('from');
      const [schema, recipes, job, checkpoint] = await Promise.all([
        request('/api/v1/schema/job'),
        request('/api/v1/recipes'),
        from === null ? undefined : request(`/api/v1/jobs/${encodeURIComponent(from)}`),
        from === null || query.get('resume') === null ? undefined : newestCheckpoint(from),
      ]);
      state.places = placesOf(recipes.items);
      Object.assign(state, { schema, values: job === undefined ? initialValues(schema) : again(job, checkpoint) });
      if (state.tab === 'file') state.text = job === undefined ? '' : stringify(state.values);
      if (job !== undefined) check();
    } catch (error) {
      state.error = error;
    }
    render();
  }

  load();
  render();
  return {
    title: 'New job',
    dispose() {
      ending.abort();
      clearTimeout(timer);
    },
  };
}

/** Every problem the server found, `path: what is wrong`. @param {unknown} error @returns {string[]} */
function problemsOf(error) {
  if (error instanceof ApiError)
    return error.problem.errors !== undefined && error.problem.errors.length > 0 ? [...error.problem.errors] : [error.message];
  return [errorText(error)];
}

/** @param {string} line @returns {[path: string, text: string]} */
function splitProblem(line) {
  const found = /^([\w.]+): (.*)$/s.exec(line);
  return found === null ? ['', line] : [found[1] ?? '', found[2] ?? ''];
}

/** Where in a job file data sets are named. @param {readonly import('../types/api.d.ts').Recipe[]} recipes */
function placesOf(recipes) {
  const all = new Map(recipes.flatMap(({ dataPlaces }) => dataPlaces).map((place) => [place.join('.'), place]));
  return [...all.values()];
}

/** Where the newest whole checkpoint of a job is; undefined when it has none. @param {string} id @returns {Promise<string | undefined>} */
async function newestCheckpoint(id) {
  const { items } = await request(`/api/v1/jobs/${encodeURIComponent(id)}/checkpoints?limit=200`);
  const whole = items.filter((/** @type {import('../types/api.d.ts').CheckpointItem} */ { valid }) => valid !== false);
  return whole.sort((/** @type {{ step: number }} */ a, /** @type {{ step: number }} */ b) => b.step - a.step)[0]?.path;
}

/**
 * A job's file to begin another one with: training begins anew or from `checkpoint`, and what measures a checkpoint may measure another
 * one, of another model.
 * @param {import('../types/api.d.ts').Job} job
 * @param {string | undefined} resumeFrom
 */
function again({ spec, recipe }, resumeFrom) {
  const { model, augment, checkpoint, ...others } = spec;
  if (recipe.verb === 'measuring') return { ...others, checkpoint };
  const { resumeFrom: _, ...kept } = checkpoint;
  return { ...others, model, augment, checkpoint: { ...kept, ...(resumeFrom !== undefined && { resumeFrom }) } };
}
