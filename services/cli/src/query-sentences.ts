import type { Contract, Query } from '@strongroom/protocol/contract';
import { RESULT_TICK_MS_DEFAULT } from '@strongroom/protocol/limits';
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
  turn,
} from './amendment-sentence.ts';
import { windowText } from './contract-text.ts';

/** What leaves the enclave, and to whom. */
export const QUERY_SENTENCES: readonly SentenceRule[] = [
  ['queries/*', query],
  ['queries/*/readers/*', reader],
  ['queries/*/sql', sql],
  ['queries/*/relations/*', relation],
  ['queries/*/window/**', window],
  [
    'queries/*/latenessMs',
    (at) => changing(`query ${at.names[0]} stays open for late rows ${fromTo(at)} ms`),
  ],
  ['queries/*/disclosure/minimumGroupRows', minimumGroup],
  [
    'queries/*/disclosure/groupRowsColumn',
    (at) =>
      revealing(
        `the minimum group of query ${at.names[0]} is read from another column: ${fromTo(at)}`,
      ),
  ],
  ['queries/*/disclosure/resultBytes', resultSize],
  ['queries/*/disclosure/differences', differences],
  ['tickMs', tick],
  ['slices', (at) => changing(`rows are counted by another number of workers: ${fromTo(at)}`)],
  ['queries/*/privacy', noise],
  ['queries/*/privacy/**', noiseMember],
];

function queryIn(contract: Contract, id: string | undefined): Query | undefined {
  return contract.queries.find((each) => each.id === id);
}

/** The readers of a query that is added; a party that is one already sees more of them. */
function query({ names: [id], old, now }: Found): Sentence {
  const [before, after] = [queryIn(old, id), queryIn(now, id)];
  if (!after) {
    return tightening(`takes query ${id} away: ${before?.readers.join(', ')} sees no result of it`);
  }
  const { sql: text, ...rest } = after;
  const who = `${after.readers.join(', ')} see results of query ${id}, ${windowText(after)}`;
  const lines = text.split('\n').map((line) => `| ${line}`);
  return revealing(`lets ${who}, that could not be seen before`, [...lines, ...allOf(rest)]);
}

function reader({ names: [id, party], old, now, ...at }: Found): Sentence {
  const seen = `results of query ${id}`;
  if (turn(at) === 'removed') return tightening(`${party} no longer sees ${seen}`);
  const after = queryIn(now, id);
  const by = after ? `, ${windowText(after)},` : '';
  return revealing(`lets ${party} see ${seen}${by} that it could not see before`);
}

function sql({ names: [id], before, after }: Found): Sentence {
  const lines = (sign: string, text: unknown) =>
    `${text}`.split('\n').map((line) => `${sign} ${line}`);
  const both = [...lines('-', before), ...lines('+', after)];
  return revealing(`query ${id} asks something else`, both);
}

function resultSize(at: Found): Sentence {
  const of = `results of query ${at.names[0]}`;
  if (turn(at) === 'added') return tightening(`all ${of} have one size: ${at.after} bytes`);
  if (turn(at) === 'changed') return changing(`all ${of} have another size: ${fromTo(at)} bytes`);
  return revealing(`the size of ${of} tells roughly how many groups there are`);
}

function tick(at: Found): Sentence {
  const text = `results leave at another tick: ${fromTo(at)} ms after what completes them`;
  return rises(at, RESULT_TICK_MS_DEFAULT) ? tightening(text) : revealing(text);
}

function relation({ names: [id, table], old, now, ...at }: Found): Sentence {
  const owners = (contract: Contract) =>
    contract.datasets
      .filter((each) => each.relation === table)
      .map((each) => `${each.id} of ${each.owner}`)
      .join(', ');
  if (turn(at) === 'removed') return tightening(`query ${id} no longer reads table ${table}`);
  return revealing(`query ${id} reads table ${table} as well: ${owners(now)}`);
}

function window({ names: [id], old, now }: Found): Sentence {
  const [before, after] = [queryIn(old, id), queryIn(now, id)];
  const text = (each: Query | undefined) => (each ? windowText(each) : '(nothing)');
  const said = `query ${id} is answered ${text(after)}; before: ${text(before)}`;
  const [from, to] = [before?.window, after?.window];
  const isLonger =
    from?.kind === 'tumbling' && to?.kind === 'tumbling' && to.sizeMs % from.sizeMs === 0;
  return isLonger ? changing(said) : revealing(said);
}

function minimumGroup({ names: [id], before, after, ...at }: Found): Sentence {
  const text = (verb: string) =>
    `the minimum group of query ${id} ${verb} from ${shown(before)} to ${shown(after)} rows`;
  return rises({ before, after, path: at.path }, 0)
    ? tightening(text('rises'))
    : revealing(text('falls'));
}

function differences({ names: [id], ...at }: Found): Sentence {
  const small = 'that its results and others differ in a group below the minimum';
  return turn(at) === 'removed'
    ? tightening(`query ${id} no longer has all parties accept ${small}`)
    : revealing(`query ${id} has all parties accept ${small}`);
}

function noise({ names: [id], ...at }: Found): Sentence {
  return turn(at) === 'removed'
    ? revealing(`results of query ${id} lose their noise`, allOf(at.before))
    : tightening(`results of query ${id} get noise`, allOf(at.after));
}

/** Amounts of privacy: a greater one is less noise. What else noise depends on may be either. */
function noiseMember({ names: [id], ...at }: Found): Sentence {
  const member = at.path.slice(3).join('.');
  const isAmount = /^(epsilon|delta|rho)$/.test(at.path.at(-1) ?? '');
  const text = `${member} of the noise of query ${id} goes ${fromTo(at)}`;
  if (isAmount && !rises(at, 0) && at.after !== undefined) return tightening(`${text}: more noise`);
  return revealing(isAmount ? `${text}: less noise` : text);
}
