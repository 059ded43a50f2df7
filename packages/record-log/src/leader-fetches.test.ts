import { describe, expect, it } from 'vitest';
import { type AskLeader, LeaderFetches } from './leader-fetches.ts';
import type { FetchedPartition, Position } from './read-entries.ts';

const LEADERS = new Map<string, Position[]>([
  ['1', [{ topic: 'a', partition: 0, offset: 0 }]],
  ['2', [{ topic: 'b', partition: 0, offset: 0 }]],
]);

/** Leaders that answer when the test says so. */
function scripted() {
  const asked: string[] = [];
  const open = new Map<string, PromiseWithResolvers<readonly FetchedPartition[]>>();
  const ask: AskLeader = (nodeId) => {
    asked.push(nodeId);
    const answer = Promise.withResolvers<readonly FetchedPartition[]>();
    open.set(nodeId, answer);
    return answer.promise;
  };
  return { ask, asked, leader: (nodeId: string) => open.get(nodeId) ?? expect.fail('not asked') };
}

const answerOf = (topic: string): FetchedPartition[] => [
  { topic, partition: 0, records: [], aborted: [], end: 0 },
];

describe('fetches from several leaders', () => {
  it('hand on what one leader has, while another has nothing and is not asked again', async () => {
    const { ask, asked, leader } = scripted();
    const fetches = new LeaderFetches();
    for (let round = 0; round < 3; round += 1) {
      const next = fetches.next(LEADERS, ask);
      leader('1').resolve(answerOf('a'));
      expect(await next).toEqual(answerOf('a'));
    }
    expect(asked).toEqual(['1', '2', '1', '1']);
    const next = fetches.next(LEADERS, ask);
    leader('2').resolve(answerOf('b'));
    expect(await next).toEqual(answerOf('b'));
  });

  it('hand on in one round all that has come', async () => {
    const { ask, leader } = scripted();
    const fetches = new LeaderFetches();
    const next = fetches.next(LEADERS, ask);
    leader('2').resolve(answerOf('b'));
    leader('1').resolve(answerOf('a'));
    expect(await next).toEqual([...answerOf('a'), ...answerOf('b')]);
  });

  it('fail with the leader that fails, also between two rounds', async () => {
    const { ask, leader } = scripted();
    const fetches = new LeaderFetches();
    const first = fetches.next(LEADERS, ask);
    leader('1').resolve(answerOf('a'));
    await first;
    leader('2').reject(new Error('moved'));
    await expect(fetches.next(LEADERS, ask)).rejects.toThrow('moved');
  });

  it('do not wait for a leader that leads nothing any more', async () => {
    const { ask, leader } = scripted();
    const fetches = new LeaderFetches();
    const first = fetches.next(LEADERS, ask);
    leader('1').resolve(answerOf('a'));
    await first;
    const moved = new Map([['1', [...LEADERS.values()].flat()]]);
    const second = fetches.next(moved, ask);
    leader('1').resolve([...answerOf('a'), ...answerOf('b')]);
    expect(await second).toHaveLength(2);
    // What it says after all is read once more, and what was read before is passed over there.
    const third = fetches.next(moved, ask);
    leader('2').resolve(answerOf('b'));
    leader('1').resolve(answerOf('a'));
    expect(await third).toHaveLength(2);
  });
});
