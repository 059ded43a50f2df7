import {
  allOf,
  changing,
  type Found,
  fromTo,
  revealing,
  rises,
  type Sentence,
  type SentenceRule,
  shown,
  tightening,
  trusting,
  turn,
} from './amendment-sentence.ts';
import { isObject } from './json.ts';

/** Who takes part, with which keys, and which code on which machines is trusted. */
export const PARTY_SENTENCES: readonly SentenceRule[] = [
  ['parties/*', party],
  ['parties/*/name', (at) => changing(`party ${at.names[0]} is called otherwise: ${fromTo(at)}`)],
  [
    'parties/*/signingKey/**',
    (at) => trusting(`${at.names[0]} signs with another key`, [fromTo(at)]),
  ],
  ['parties/*/readingKey', readingKey],
  ['parties/*/readingKey/**', readingKey],
  [
    'parties/*/keyRelease',
    (at) =>
      trusting(
        `${at.names[0]} ${turn(at) === 'removed' ? 'no longer has' : 'has'} a key release service`,
        [fromTo(at)],
      ),
  ],
  ['parties/*/keyRelease/lease', lease],
  ['parties/*/keyRelease/averaging', averaging],
  [
    'parties/*/keyRelease/**',
    (at) =>
      trusting(`the key release service of ${at.names[0]} changes: ${at.path.slice(3).join('.')}`, [
        fromTo(at),
      ]),
  ],
];

export const ENCLAVE_SENTENCES: readonly SentenceRule[] = [
  ['enclave/platform', platform],
  ['enclave/measurements/*', measurement],
  [
    'enclave/measurements/*/name',
    (at) => changing(`measurement ${at.names[0]} is called otherwise: ${fromTo(at)}`),
  ],
  [
    'enclave/measurements/*/pcrs/**',
    (at) =>
      trusting(`what lies below measurement ${at.names[0]} may be other code`, [
        `${at.path.slice(3).join('.')} ${fromTo(at)}`,
      ]),
  ],
  ['enclave/authorities/*', authority],
  [
    'enclave/authorities/*/**',
    (at) =>
      trusting(`attestation authority ${at.names[0]} is believed by other keys`, [fromTo(at)]),
  ],
  [
    'enclave/agreement',
    (at) => guard(at, rises(at, 1), `authorities that must agree go ${fromTo(at)}`),
  ],
  [
    'enclave/ownVerification',
    (at) =>
      guard(
        at,
        at.after === true,
        `owners and readers verify the report themselves: ${fromTo(at)}`,
      ),
  ],
  [
    'enclave/minimumTcb/**',
    (at) =>
      guard(
        at,
        isHigher(at),
        `the least version of ${at.path.slice(2).join('.')} goes ${fromTo(at)}`,
      ),
  ],
  [
    'enclave/*/**',
    (at) =>
      trusting(`what is demanded of the machine changes: ${at.path.slice(1).join('.')}`, [
        fromTo(at),
      ]),
  ],
];

export const DOCUMENT_SENTENCES: readonly SentenceRule[] = [
  ['title', (at) => changing(`the title goes ${fromTo(at)}`)],
  ['purpose', (at) => changing(`the purpose goes ${fromTo(at)}`)],
  ['version', (at) => changing(`version ${shown(at.after)} follows version ${shown(at.before)}`)],
  ['previous', (at) => changing(`it amends contract ${shown(at.after)}`, [fromTo(at)])],
];

function party({ names: [id], ...at }: Found): Sentence {
  if (turn(at) === 'removed')
    return changing(`${id} is no party any more, and must consent to that`);
  const { name } = isObject(at.after) ? at.after : {};
  return trusting(`${id} (${name}) becomes a party`, allOf(at.after));
}

function readingKey({ names: [id], ...at }: Found): Sentence {
  if (at.path.length > 3 || turn(at) === 'changed') {
    return revealing(`what is sealed to ${id} is sealed to another reading key`, [fromTo(at)]);
  }
  if (turn(at) === 'removed') return changing(`nothing is sealed to ${id} any more`);
  return trusting(
    `${id} gets a reading key: results and a ledger of uses can be sealed to it`,
    allOf(at.after),
  );
}

function lease({ names: [id], ...at }: Found): Sentence {
  if (turn(at) === 'removed') {
    return trusting(
      `${id} keeps no lease any more: it can neither stop a running worker nor see a clone`,
    );
  }
  return tightening(`${id} keeps a lease: nothing leaves without its word`, allOf(at.after));
}

function averaging({ names: [id], ...at }: Found): Sentence {
  const text = 'two workers could average the noise over its rows';
  return turn(at) === 'removed'
    ? tightening(`${id} no longer accepts that ${text}`)
    : revealing(`${id} accepts that ${text}, as it keeps no lease`);
}

function platform(at: Found): Sentence {
  if (at.after !== 'simulated')
    return trusting(`the worker runs on another platform: ${fromTo(at)}`);
  return revealing(
    `the worker runs on a SIMULATED platform, which protects nothing: ${fromTo(at)}`,
  );
}

function measurement({ names: [sha384], ...at }: Found): Sentence {
  const { name } = isObject(at.after ?? at.before) ? Object(at.after ?? at.before) : { name: '' };
  if (turn(at) === 'removed') return tightening(`worker measurements: removes ${name} ${sha384}`);
  return trusting(
    `worker measurements: adds ${name} ${sha384}: code that gets every key`,
    allOf(at.after),
  );
}

function authority({ names: [issuer], ...at }: Found): Sentence {
  if (turn(at) === 'removed')
    return changing(`attestation authority ${issuer} is no longer believed`);
  return trusting(`attestation authority ${issuer} is believed as well`, allOf(at.after));
}

function guard(_at: Found, isStricter: boolean, text: string): Sentence {
  return isStricter ? tightening(text) : trusting(text);
}

/** A floor that comes, or whose number rises; a whole product that goes is no floor any more. */
function isHigher(at: Found): boolean {
  if (turn(at) === 'added') return true;
  return turn(at) === 'changed' && rises(at, 0);
}
