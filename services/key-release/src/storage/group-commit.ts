import type { DatabaseSync } from 'node:sqlite';
import { savepoint, transaction } from './database.ts';

/**
 * What is decided while the disk or a signature keeps everybody waiting is written together: one
 * flush and one signed head for all of it. Nothing waits longer for company than the group before
 * needs, so a single one goes at once, and the busier the service is, the larger groups are.
 */
export interface GroupCommit {
  /**
   * @param decide in a transaction with the decisions of others, in one turn of the event loop
   * @param answer when the decision is on the disk
   * @throws what `decide` and `answer` throw, and what made the transaction fail: then nothing of
   *   the whole group was written, and nobody of it is answered
   */
  run<Decision, Answer>(
    decide: () => Decision,
    answer: (decision: Decision) => Promise<Answer>,
  ): Promise<Answer>;
}

/** One who waits: decides, and returns how to go on. */
interface Member {
  readonly decide: () => void;
  readonly proceed: () => Promise<void>;
  readonly refuse: (error: unknown) => void;
}

export function createGroupCommit(database: DatabaseSync): GroupCommit {
  const waiting: Member[] = [];
  let busy = false;
  const work = async (): Promise<void> => {
    busy = true;
    while (waiting.length > 0) {
      const members = commitTogether(database, waiting.splice(0));
      await Promise.all(members.map((member) => member.proceed()));
    }
    busy = false;
  };
  return {
    run: (decide, answer) =>
      new Promise((resolve, reject) => {
        waiting.push(memberOf(decide, answer, resolve, reject));
        if (!busy) void work();
      }),
  };
}

function memberOf<Decision, Answer>(
  decide: () => Decision,
  answer: (decision: Decision) => Promise<Answer>,
  resolve: (answer: Answer) => void,
  refuse: (error: unknown) => void,
): Member {
  let decided: { readonly decision: Decision } | undefined;
  return {
    refuse,
    decide: () => {
      decided = { decision: decide() };
    },
    proceed: async () => {
      if (decided) await answer(decided.decision).then(resolve, refuse);
    },
  };
}

/** @returns the members whose decisions are on the disk */
function commitTogether(database: DatabaseSync, members: readonly Member[]): readonly Member[] {
  const refused = new Map<Member, unknown>();
  try {
    transaction(database, () => {
      for (const member of members) {
        try {
          savepoint(database, member.decide);
        } catch (error) {
          if (!database.isTransaction) throw error;
          refused.set(member, error);
        }
      }
    });
  } catch (error) {
    for (const member of members) member.refuse(refused.get(member) ?? error);
    return [];
  }
  for (const [member, error] of refused) member.refuse(error);
  return members.filter((member) => !refused.has(member));
}
