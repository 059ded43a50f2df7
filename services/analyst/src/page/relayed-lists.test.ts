import type { Evidence } from '@strongroom/protocol/evidence';
import { afterEach, expect, test, vi } from 'vitest';
import { relayedLists } from './relayed-lists.ts';

/** What the page makes of its server's answer about revocation lists, and of none. */

const EVIDENCE = {} as Evidence;
const listsWhere = async (answer: () => Promise<Response>) => {
  vi.stubGlobal('fetch', answer);
  const lists = await relayedLists().listsFor(EVIDENCE);
  return { lists: lists.revocationLists, must: lists.requireRevocationList };
};
const saying = (body: unknown) => async () => Response.json(body);

afterEach(() => vi.unstubAllGlobals());

test('lists are what the server gives, and what is no base64url is left out', async () => {
  const answer = saying({ revocationLists: ['AQI', '?', 3], requireRevocationList: false });
  expect(await listsWhere(answer)).toEqual({ lists: [new Uint8Array([1, 2])], must: false });
  const none = saying({ revocationLists: [], requireRevocationList: true });
  expect(await listsWhere(none)).toEqual({ lists: [], must: true });
});

test.each([
  ['no answer', () => Promise.reject(new TypeError('network'))],
  ['an error', saying({ code: 'ERR_HTTP' })],
  ['something else', saying('lists')],
  ['no JSON', async () => new Response('<html>')],
])('where there is %s a list must be there', async (_name, answer) => {
  expect(await listsWhere(answer)).toEqual({ lists: [], must: true });
});
