import { dispositionOf, EXIT_CODE_ENDED, StrongroomError } from '@strongroom/protocol/errors';

/**
 * All that several owners answer. Of their refusals one counts before all others, whichever came
 * first: that the contract has ended. Whoever starts workers learns by it to start none again.
 * @throws the first refusal, or that one
 */
export async function allAnswers<Answer>(answers: readonly Promise<Answer>[]): Promise<Answer[]> {
  try {
    return await Promise.all(answers);
  } catch (error) {
    // Who may come again asks all of them anew.
    if (dispositionOf(error) === 'retry') throw error;
    const settled = await Promise.allSettled(answers);
    const refusals = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    throw refusals.find(isEnd) ?? error;
  }
}

function isEnd(error: unknown): boolean {
  return error instanceof StrongroomError && error.exitCode === EXIT_CODE_ENDED;
}
