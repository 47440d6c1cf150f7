/** Activities of a member, as shown in heartbeats and error messages. The middle ones are the phases of a step, in order. */
export type Phase =
  | 'preparing'
  | 'ready'
  | 'forming'
  | 'heal'
  | 'lease'
  | 'data'
  | 'compute'
  | 'reduce'
  | 'apply'
  | 'report'
  | 'checkpoint'
  | 'classify'
  | 'held'
  | 'finished'
  | 'stopping';
