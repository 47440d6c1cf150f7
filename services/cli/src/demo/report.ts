import { duration } from '../job/progressView.ts';
import { textTable } from '../terminal/textTable.ts';

/** From this share of the mean-fill error upwards, a model has learned nothing worth mentioning. */
const NOTHING_LEARNED = 0.95;
/** Below this share the picture shows shapes: measured on Fashion-MNIST (0.33 after 640 steps) and on folders of photographs. */
const LEARNED = 0.6;

/** Result of the demo; `--json` prints it. */
export interface DemoReport {
  readonly jobId: string;
  readonly workers: number;
  readonly steps: number;
  /** Images trained on, counting repetitions. */
  readonly images: number;
  readonly trainSeconds: number;
  readonly lossFirst: number;
  readonly lossLast: number;
  /** Squared error per value on hidden patches, pixels on a scale of 0..1: of the initial model, and of the trained one. */
  readonly evalMaskedMseBefore: number;
  readonly evalMaskedMse: number;
  /** The same of a baseline that fills hidden patches with the mean of the visible pixels. */
  readonly meanFillMse: number;
  /** Shares of test images; null without labels. */
  readonly knnBefore: number | null;
  readonly knnAfter: number | null;
  readonly imagesPerSecond: number;
  readonly checkpointHash: string;
  readonly checkpointPath: string;
  readonly picture: string;
}

/** Setting to which the report's figures refer. */
export interface DemoSetting {
  /** Images on which the error was measured, in words: "1000 test images". */
  readonly evaluatedOn: string;
  /** Images that were classified, and the number of classes. */
  readonly knnTest: string;
  readonly classes: number;
  /** Default of `--steps`. */
  readonly defaultSteps: number;
  readonly isOwnData: boolean;
}

/** Formats the end of the demo: a table, where things are, what it means, and what to do next. */
export function reportText(report: DemoReport, setting: DemoSetting): string {
  const { lossFirst, lossLast, evalMaskedMseBefore, evalMaskedMse, meanFillMse, knnBefore, knnAfter } = report;
  const rows = [
    ['', 'UNTRAINED', 'TRAINED', ''],
    ['training loss', lossFirst.toFixed(4), lossLast.toFixed(4), 'first and last step'],
    [
      'error on hidden patches',
      evalMaskedMseBefore.toFixed(4),
      evalMaskedMse.toFixed(4),
      `${setting.evaluatedOn}; ${meanFillMse.toFixed(4)} when filling in the mean of the visible pixels`,
    ],
    knnBefore === null || knnAfter === null
      ? ['k-NN accuracy', '-', '-', 'no labels: put images into one sub-folder per class']
      : ['k-NN accuracy', percent(knnBefore), percent(knnAfter), `${setting.knnTest}; ${percent(1 / setting.classes)} by chance`],
  ];
  const places = [
    ['checkpoint', report.checkpointPath],
    ['checkpoint hash', `${report.checkpointHash} (the same for any --workers)`],
    ['picture', report.picture],
    ['speed', `${report.imagesPerSecond.toFixed(0)} images/s, ${report.steps} steps in ${duration(report.trainSeconds)}`],
  ];
  return ['', indent(textTable(rows, [1, 2])), '', indent(textTable(places)), '', ...verdict(report, setting), ''].join('\n');
}

/** Explains the figures, and what to do next. */
export function verdict(report: DemoReport, { defaultSteps, isOwnData }: DemoSetting): string[] {
  const { evalMaskedMse, meanFillMse, knnBefore, knnAfter, steps, imagesPerSecond, images } = report;
  const share = evalMaskedMse / meanFillMse;
  const error = `its error on hidden patches is ${percent(share)} of the baseline that fills in the mean of the visible pixels`;
  const more = Math.max(defaultSteps, steps * 4);
  const time = duration((more * images) / steps / imagesPerSecond);
  const option = more === defaultSteps ? `without --steps (${more} steps)` : `with --steps ${more}`;
  const longer = `Train longer: run the demo ${option}, about ${time} at this speed.`;
  if (!Number.isFinite(share)) return ['The training diverged: the error is not a number. Please report it with the log files.'];
  if (share >= NOTHING_LEARNED)
    return [
      `The model has learned nothing yet: ${error}.`,
      steps < defaultSteps ? `${steps} steps are too few. ${longer}` : longer,
      ...(steps >= defaultSteps && isOwnData ? ['If that does not help, check the data: npm run maestro -- dataset inspect DIR'] : []),
    ];
  if (share >= LEARNED) return [`The model has begun to learn: ${error}.`, longer, ...next(report, isOwnData)];
  const classes =
    knnBefore !== null && knnAfter !== null && knnAfter > knnBefore
      ? [
          `Its features tell classes apart better than untrained ones (k-NN ${percent(knnBefore)} -> ${percent(knnAfter)}), without ` +
            'a label in training.',
        ]
      : [];
  return [`The model has learned: ${error}.`, ...classes, ...next(report, isOwnData)];
}

function next({ checkpointPath }: DemoReport, isOwnData: boolean): string[] {
  const commands = [
    [`npm run maestro -- reconstruct ${checkpointPath} --out mine.png`, isOwnData ? 'draw other images' : 'draw more test images'],
    [`npm run maestro -- checkpoint verify ${checkpointPath}`, 'verify every byte'],
    ['npm run demo -- --data DIR', 'train on your own images'],
    ['npm run demo -- --workers 3', 'more workers, the same bits'],
    ['npm run maestro -- up', 'a cluster that takes jobs'],
  ];
  return ['', 'Try next:', ...commands.map(([command, what]) => `  ${command}\n      ${what}`)];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const indent = (text: string): string => text.replace(/^/gm, '  ').replace(/ +$/gm, '');
