import type { Contract, Party } from '@strongroom/protocol/contract';
import type { RevocationMeaning } from './facts.ts';

/** What an owner is told before it ends a contract. docs/owner-page.md says the same. */
export function revocationMeaning(
  { parties }: Contract,
  { id, keyRelease }: Party,
  hasToken: boolean,
): RevocationMeaning {
  const others = parties.filter((each) => each.id !== id).map(({ name }) => name);
  const lease = keyRelease?.lease;
  const isBeside = lease !== undefined && lease.url !== keyRelease?.url;
  const means = [
    'Your service gives nothing under this contract any more: no key, no lease, no step, no debit.',
    lease === undefined ? NO_LEASE : LEASE,
    `It ends for everybody, also for ${others.join(', ')}.`,
    'It is for good. Only a new contract, signed by all, goes on.',
  ];
  const meansNot = [
    'Results that have left stay with their readers: nobody can take them back.',
    'Your sealed rows stay on the log. Nobody can open them without a key of yours.',
    ...(isBeside
      ? ['Keys in the other vault are released on until you disable them there as well.']
      : []),
  ];
  return { means, meansNot, ...(hasToken ? {} : { instead: NO_TOKEN }) };
}

const LEASE =
  'A running worker stops at its next step, within seconds: it forgets keys and rows, and says ' +
  'on the log how far each stream was counted.';
const NO_LEASE =
  'You keep no lease of this contract, so a running worker is not told to stop: it goes on with ' +
  'the keys that it has. Whatever starts from now on gets none.';
const NO_TOKEN =
  'This page was started without an administrator’s token. Start it with --admin-token-file, or ' +
  'use strongroom revoke.';
