import { ERRORS, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { agreeOn } from '../../test/owners.ts';
import { DoorKeeper } from './door-keeper.ts';
import { mayLeave } from './outward-codes.ts';
import { Vault } from './vault.ts';

/**
 * What each code of Strongroom follows from, where a vault could end a request with it: whoever
 * adds a code says so here. Of one record it may be told anyhow: bytes of its owner decide that.
 */
const LOG = 'follows from what lies on the log, as everybody can see it';
const SAID = 'follows from what an owner, an authority or a stranger has said to the vault';
const ROWS = 'may follow from rows: the vault is lost instead';
const RECORD = 'is told of one record, and ends nothing';
const AGREED = 'follows from the contract, before there is a row';
const WORKER = 'is what the worker itself meets: log, services, its machine';
const ELSEWHERE = 'is said by other programs';

const CAUSES: Readonly<Record<string, readonly string[]>> = {
  [LOG]: ['CHECKPOINT_INVALID', 'DATASET_UNKNOWN', 'MANIFEST_MISMATCH', 'STREAM_FORKED'].concat([
    ...['STREAM_TRUNCATED', 'PARTIAL_FORKED'],
  ]),
  [SAID]: [
    ...['CHALLENGE_MALFORMED', 'CONTRACT_REVOKED', 'CONTRACT_SUPERSEDED', 'DEBIT_UNPROVEN'],
    ...['KEY_NOT_RELEASED', 'KEY_SHARES_INVALID', 'LEASE_FORKED', 'LEASE_INVALID'],
    ...['LEASE_LOST', 'PARTY_UNKNOWN', 'RELEASE_INVALID', 'TOKEN_INVALID'],
  ],
  [ROWS]: ['LIMIT_EXCEEDED', 'QUERY_FAILED', 'VAULT_MEMORY'],
  [RECORD]: [
    ...['BATCH_COMPRESSION', 'BATCH_CONTENT', 'BATCH_REPLAYED', 'BATCH_UNOPENABLE', 'LATE_ROWS'],
    ...['EVENT_TIME_RANGE'],
    ...['MANIFEST_MALFORMED', 'OPENING_MALFORMED', 'OPENING_MISMATCH', 'RECORD_FATAL'],
    ...['RECORD_HEADERS', 'RETRACTION_LATE', 'RETRACTION_MALFORMED', 'RETRACTION_UNKNOWN'],
    ...['SEAL_ALGORITHM', 'SEAL_CONTEXT', 'SEAL_MALFORMED', 'SEAL_SIGNATURE', 'SEAL_SUPERSEDED'],
    ...['SEAL_VERSION', 'SEGMENT_UNWRAP', 'STREAM_EPOCH', 'STREAM_GAP', 'STREAM_PARTITION'],
    ...['CIPHERTEXT_HASH', 'STREAM_UNKNOWN', 'PARTIAL_INVALID', 'PARTIAL_REPLAYED'],
  ],
  [AGREED]: [
    ...['AMENDMENT_REFUSED', 'CONTRACT_FORKED', 'CONTRACT_MALFORMED', 'CONTRACT_MISMATCH'],
    ...['CONTRACT_PREDECESSOR', 'CONTRACT_SIGNATURE_INVALID', 'CONTRACT_UNSIGNED', 'ENGINE_OPEN'],
    ...['JSON_MALFORMED', 'JSON_NOT_CANONICAL', 'QUERY_AGAINST_RULES', 'QUERY_DIFFERENCE'],
    ...['QUERY_REFUSED', 'QUERY_NOT_SLICED', 'SLICE_UNKNOWN', 'NOISE_WITHOUT_LEASE'],
  ],
  [WORKER]: [
    ...['BUDGET_EXHAUSTED', 'BUDGET_UNSET', 'CHALLENGE_LIMIT', 'CONFIG_INVALID', 'DEBIT_CHANGED'],
    ...['DEBIT_INVALID', 'ENDORSEMENT_UNAVAILABLE', 'EVIDENCE_UNANSWERED', 'FILE_UNREADABLE'],
    ...['INPUT_INCOMPLETE', 'LEASE_HELD', 'LOG_FAILED', 'LOG_FENCED', 'LOG_REFUSED'],
    ...['LOG_TRUNCATED', 'LOG_UNREACHABLE', 'NONCE_SPENT', 'PLATFORM_UNAVAILABLE'],
    ...['PORT_UNAVAILABLE', 'SERVICE_UNREACHABLE', 'UNAUTHENTICATED', 'USAGE'],
    ...['SLICE_TAKEN', 'TRANSACTIONS_NEEDED', 'VAULT_LOST', 'WORKER_STALLED'],
  ],
};
/** Groups of codes that no worker knows, by how they begin. */
const OF_OTHERS = [
  /^(AGGREGATE|QUARANTINE|USES?|NOTICE|NOT_A_READER|STATEMENT|AGREEMENT|RULES)/,
  /^(SOURCE|STREAM_(BEGUN|ENDED|NOT_FOUND)|COLUMN|JOIN_KEY|EVENT_TIME_(?!RANGE)|BATCH_TOO|STATE)/,
  /^(CSV_DIALECT|SAVED_RESULT|PROOF_BUNDLE)/,
  /^(EVIDENCE_MAL|VTPM|UVM|REPORT|CERTIFICATE|ROOT|MEASUREMENT|APPRAISAL|ATTESTATION)/,
  /^(CONTRACT_UNKNOWN|POLICY|KEY_(NOT_FOUND|DISABLED|DELETED|EXISTS)|STORE|RATE|OPERATION)/,
  /^(BACKUP|MASTER|RIGHT|REQUEST|AUDIT|RECEIPT|DISK|FILE_UNWRITABLE|IDENTITY|KAFKA)/,
];

function causesOf(code: ErrorCode): readonly string[] {
  const name = code.replace(/^ERR_/, '');
  const listed = Object.entries(CAUSES).flatMap(([cause, names]) =>
    names.includes(name) ? [cause] : [],
  );
  return OF_OTHERS.some((begin) => begin.test(name)) ? [...listed, ELSEWHERE] : listed;
}

const CODES = Object.keys(ERRORS) as ErrorCode[];
const SERVED_WITH_ROWS = ['accept', 'close', 'checkpoint', 'announce', 'restore'] as const;

describe('a code by which a vault that has rows ends a request', () => {
  test.each(CODES)('%s has one cause, and leaves only if that is no row', (code) => {
    const causes = causesOf(code);
    expect(causes, 'say in CAUSES what it follows from').toHaveLength(1);
    const isSaid = causes[0] === LOG || causes[0] === SAID || code === 'ERR_VAULT_LOST';
    for (const verb of SERVED_WITH_ROWS) expect(mayLeave(code, verb)).toBe(isSaid);
  });

  test('none is forgotten here that there is no more', () => {
    const known = new Set<string>(CODES);
    const listed = Object.values(CAUSES).flat();
    expect(listed.filter((name) => !known.has(`ERR_${name}`))).toEqual([]);
  });
});

describe('the door', () => {
  afterEach(() => void vi.restoreAllMocks());

  test.each([
    new StrongroomError('ERR_QUERY_FAILED', { query: 'hourly' }),
    new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'AGGREGATE_ROWS_MAX', bytes: 7 }),
    new StrongroomError('ERR_VAULT_MEMORY', { query: 'daily' }),
  ])('tells nothing of $code but that the vault is lost', async (error) => {
    const keeper = await openKeeper();
    vi.spyOn(Vault.prototype, 'closeWindows').mockRejectedValue(error);
    const served = await keeper.serve({ verb: 'close', request: {} }, []);
    expect(served).toEqual({
      message: { error: { code: 'ERR_VAULT_LOST', facts: {} } },
      blobs: [],
      fatal: true,
    });
  });

  test('says of a record what the log shows, and not how many of its rows were late', async () => {
    const keeper = await openKeeper();
    const late = {
      ...{ query: 'all' as never, rows: 17, excluded: 3, missed: { start: 0, end: 9 } },
    };
    const counted = { offset: 4, kind: 'batch', rows: 20, lateRows: 17, late: [late] } as const;
    const facts = { reason: 'a null in place' };
    const refused = { offset: 5, kind: 'refused', rows: 0, lateRows: 0, facts } as const;
    const outcomes = [counted, { ...refused, code: 'ERR_BATCH_CONTENT' as const }];
    vi.spyOn(Vault.prototype, 'accept').mockResolvedValue(outcomes);
    const request = { dataset: 'north', entries: [] };
    const { message } = await keeper.serve({ verb: 'accept', request }, []);
    expect(message).toMatchObject({
      answer: {
        outcomes: [
          { offset: 4, kind: 'batch', rows: 20, lateFor: ['all'] },
          { offset: 5, kind: 'refused', rows: 0, code: 'ERR_BATCH_CONTENT' },
        ],
      },
    });
    expect(JSON.stringify(message)).not.toMatch(/17|null in place/);
  });
});

async function openKeeper(): Promise<DoorKeeper> {
  const column = { name: 'at', type: 'timestamp-us', nullable: false } as const;
  const plan = { id: 'north', relation: 'visits', columns: [column], eventTime: 'at' };
  const query = { id: 'all' as never, sql: 'SELECT count(*) AS n FROM visits' };
  const whole = { relations: ['visits'], window: { kind: 'whole' as const }, latenessMs: 0 };
  const { signed } = await agreeOn([plan], [{ ...query, ...whole }]);
  const keeper = new DoorKeeper();
  const opened = await keeper.serve(
    { verb: 'open', request: { contract: signed, memoryMb: 128 } },
    [],
  );
  expect(opened.message).toMatchObject({ answer: { contractId: expect.any(String) } });
  return keeper;
}
