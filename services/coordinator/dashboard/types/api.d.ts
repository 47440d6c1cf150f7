import type {
  AuditResource,
  DataSurveyResource,
  JobResource,
  RecipeResource,
  Problem as ServerProblem,
  WorkerResource,
} from '@maestro/protocol';

/** What the API answers, as the dashboard reads it. Resources are the protocol's own; the rest is what rooms of the server give. */
export type Job = JobResource;
export type Audit = AuditResource;
export type DataSurvey = DataSurveyResource;
export type Recipe = RecipeResource;
export type Metric = RecipeResource['results'][number];
export type JobEvent = JobResource['events'][number];
export type Worker = WorkerResource;
export type Problem = Partial<Omit<ServerProblem, 'code'>> & { detail: string; status: number; code: string; title: string };

export interface Items<Item> {
  readonly items: readonly Item[];
  readonly nextCursor?: string;
}

export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly (readonly [step: number, timeMs: number, value: number])[];
}

export interface Timeline {
  readonly phases: readonly string[];
  readonly workers: readonly {
    readonly name: string;
    readonly steps: readonly { readonly step: number; readonly startMs: number; readonly durations: Readonly<Record<string, number>> }[];
  }[];
  readonly straggler?: { readonly name: string; readonly seconds: number; readonly share: number };
}

export interface JobViewItem {
  readonly generation: number;
  readonly startStep: number;
  readonly timeMs: number;
  readonly members: readonly { readonly name: string; readonly firstRank: number; readonly ranks: number }[];
  readonly reason: string;
}

export interface Reconstruction {
  readonly step: number;
  readonly createdAt: string;
  readonly maskedError: number;
  readonly areHeldOut: boolean;
  readonly meanFillError: number;
  readonly imageUrl: string;
}

export interface CheckpointItem {
  readonly step: number;
  readonly path: string;
  readonly hash: string;
  readonly bytes: number;
  readonly createdAt: string;
  readonly valid?: boolean;
  readonly problem?: string;
}

export interface LogLine {
  readonly cursor: string;
  readonly time: string;
  readonly level: string;
  readonly worker?: string;
  readonly role?: string;
  readonly job?: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface LogHistogram {
  readonly buckets: readonly { readonly fromMs: number; readonly toMs: number; readonly counts: Readonly<Record<string, number>> }[];
}

/** A JSON Schema, as far as a form needs it. */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly (string | number)[];
  readonly const?: string | number;
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: SchemaNode;
  readonly required?: readonly string[];
}

/** A page of the dashboard that is shown: what ends its streams and timers. */
export interface Page {
  readonly title: string;
  dispose(): void;
}
