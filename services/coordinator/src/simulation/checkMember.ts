import type { View, WorkerMessage } from '@maestro/protocol';
import type { World } from './world.ts';

/** Watches what a member asks of its host. */
export interface MemberCheck {
  /** Sends what it may say. */
  send(message: WorkerMessage): void;
  run(view: View): void;
  viewOver(view: View): void;
}

/** Checks that a member works for one view after the other, and tells each thing once, and nothing that is not so. */
export function checkMember(
  { violate }: World,
  { id, send }: { readonly id: string; readonly send: (message: WorkerMessage) => void },
): MemberCheck {
  let newest: View | undefined;
  let isOver = true;
  let toldGeneration = 0;
  let committedStep = 0;
  let isLeft = false;

  const check = (message: WorkerMessage): void => {
    switch (message.kind) {
      case 'standing': {
        const { generation, status, reports } = message;
        if (isLeft) violate(`${id} tells where it stands after it has left`);
        if (generation < toldGeneration) violate(`${id} tells of view ${generation} after view ${toldGeneration}`);
        toldGeneration = generation;
        if (isOver && (status === 'formed' || status === 'working')) violate(`${id} is ${status} of view ${generation}, which is over`);
        if (reports.some((report, i) => i > 0 && report.step <= reports[i - 1]!.step))
          violate(`${id} reports a step twice: ${reports.map((report) => report.step).join(' ')}`);
        return;
      }
      case 'committed':
        if (message.generation !== newest?.generation) violate(`${id} commits step ${message.step} for view ${message.generation}`);
        if (message.step <= committedStep) violate(`${id} commits step ${message.step} twice in view ${message.generation}`);
        committedStep = message.step;
        return;
      case 'left':
        if (isLeft) violate(`${id} leaves twice`);
        if (!isOver && message.outcome === 'released') violate(`${id} leaves while it works for view ${message.generation}`);
        isLeft = true;
        return;
      default:
    }
  };

  return {
    send(message) {
      check(message);
      send(message);
    },
    run(view) {
      const { generation, members } = view;
      if (newest !== undefined && generation <= newest.generation)
        violate(`${id} takes up view ${generation} after view ${newest.generation}`);
      if (!isOver) violate(`${id} takes up view ${generation} while it works for view ${newest!.generation}`);
      if (!members.some((member) => member.id === id)) violate(`${id} works for view ${generation}, which is of others`);
      newest = view;
      isOver = false;
      committedStep = 0;
    },
    viewOver(view) {
      if (view !== newest || isOver) violate(`${id} has ended view ${view.generation} twice`);
      isOver = true;
    },
  };
}
