import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { parsePemCertificates } from '../x509/pem.ts';
import { joined } from '../x509/write-der.ts';
import { createConfigfsTsm } from './configfs-tsm.ts';
import type { Platform } from './platform.ts';
import type { TsmFiles } from './tsm-files.ts';

const REPORT_DATA = new Uint8Array(64).fill(9);
let guest: Platform;
let table: Uint8Array;

beforeAll(async () => {
  const { platform } = await sharedTestPlatform();
  guest = platform.launch({ image: [new Uint8Array(10)], hostData: new Uint8Array(32) });
  const { certificateChain } = await guest.quote(REPORT_DATA);
  table = tableOf(parsePemCertificates(certificateChain));
}, 60_000);

/** VCEK, ASK and ARK behind their entries. */
function tableOf(certificates: readonly Uint8Array[]): Uint8Array {
  const guids = [
    '8d75da6364e66445adc5f4b93be8accd',
    '79b3b74aacbbe44fa02f05aef327c782',
    'a406b4c003a8524997433fb6014cd0ae',
  ];
  let offset = 24 * (certificates.length + 1);
  const entries = certificates.map((certificate, index) => {
    const entry = new Uint8Array(24);
    entry.set(Buffer.from(guids[index] ?? '', 'hex'));
    const view = new DataView(entry.buffer);
    view.setUint32(16, offset, true);
    view.setUint32(20, certificate.length, true);
    offset += certificate.length;
    return entry;
  });
  return joined([...entries, new Uint8Array(24), ...certificates]);
}

interface Faults {
  /** Calls on this file fail so many times with this code. */
  trouble?: { name: string; code: string; times: number };
  provider?: string;
  /** Another process writes behind our back so many times. */
  disturbed?: number;
  missing?: boolean;
  stale?: boolean;
  emptyTable?: boolean;
  /** A read gives at most so many bytes. */
  shortReads?: number;
  partialWrites?: boolean;
  endless?: boolean;
  floor?: number;
  stuck?: boolean;
}

interface Request {
  generation: number;
  reportData: Uint8Array;
  privilegeLevel: string;
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

async function contentOf(request: Request, name: string, faults: Faults): Promise<Uint8Array> {
  const text = (value: string) => new TextEncoder().encode(`${value}\n`);
  if (name === 'provider') return text(faults.provider ?? 'sev_guest');
  if (name === 'generation') return text(`${request.generation}`);
  if (name === 'privlevel_floor') return text(`${faults.floor ?? 0}`);
  if (name === 'auxblob') return faults.emptyTable ? new Uint8Array(0) : table;
  if (name !== 'outblob') throw failure('EACCES');
  if (faults.endless) return new Uint8Array(100_000);
  return (await guest.quote(faults.stale ? new Uint8Array(64) : request.reportData)).report;
}

/** A model of the kernel's folder: a request lives from mkdir to rmdir, writes are counted. */
function model(faults: Faults = {}) {
  const requests = new Map<string, Request>();
  const asked: string[] = [];
  const open = { count: 0 };
  const trouble = faults.trouble ? { ...faults.trouble } : undefined;
  let disturbed = faults.disturbed ?? 0;
  const fail = (name: string) => {
    if (trouble?.name !== name || trouble.times === 0) return;
    trouble.times -= 1;
    throw failure(trouble.code);
  };

  function write(request: Request, name: string, bytes: Uint8Array): { bytesWritten: number } {
    if (faults.partialWrites) return { bytesWritten: bytes.length - 1 };
    if (name === 'inblob') request.reportData = bytes.slice();
    else if (name === 'privlevel') request.privilegeLevel = new TextDecoder().decode(bytes);
    else throw failure('EACCES');
    request.generation += 1;
    if (disturbed > 0) {
      disturbed -= 1;
      request.generation += 1;
    }
    return { bytesWritten: bytes.length };
  }

  const files: TsmFiles = {
    async makeFolder(path) {
      fail('mkdir');
      if (faults.missing) throw failure('ENOENT');
      if (requests.has(path)) throw failure('EEXIST');
      requests.set(path, {
        generation: 0,
        reportData: new Uint8Array(64),
        privilegeLevel: 'unasked',
      });
    },
    async removeFolder(path) {
      const request = requests.get(path);
      if (request) asked.push(request.privilegeLevel);
      requests.delete(path);
      if (faults.stuck) throw failure('EBUSY');
    },
    async open(path) {
      const request = requests.get(path.slice(0, path.lastIndexOf('/')));
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (!request) throw failure('ENOENT');
      fail(name);
      let at = 0;
      open.count += 1;
      return {
        async close() {
          open.count -= 1;
        },
        write: async (bytes) => write(request, name, bytes),
        async read(into) {
          const value = await contentOf(request, name, faults);
          const length = Math.min(into.length, faults.shortReads ?? into.length);
          const piece = value.subarray(at, at + length);
          into.set(piece);
          at += piece.length;
          return { bytesRead: piece.length };
        },
      };
    },
  };
  const waits: number[] = [];
  const wait = async (milliseconds: number) => waits.push(milliseconds);
  return { files, wait, waits, requests, asked, open };
}

describe('configfs-tsm', () => {
  test('asks once, takes the certificates from the table, and clears up', async () => {
    const kernel = model();
    const quote = await createConfigfsTsm(kernel).quote(REPORT_DATA);
    expect(quote.report.subarray(0x50, 0x90)).toEqual(REPORT_DATA);
    expect(parsePemCertificates(quote.certificateChain)).toHaveLength(3);
    expect(kernel.waits).toEqual([]);
    expect(kernel.requests.size).toBe(0);
    expect(kernel.open.count).toBe(0);
  });

  test('starts anew when another process wrote in between', async () => {
    const kernel = model({ disturbed: 3 });
    await createConfigfsTsm(kernel).quote(REPORT_DATA);
    expect(kernel.waits).toEqual([250, 500, 1_000]);
    expect(kernel.requests.size).toBe(0);
  });

  test.each([
    ['mkdir', 'EBUSY'],
    ['inblob', 'EBUSY'],
    ['outblob', 'EBUSY'],
    ['outblob', 'EAGAIN'],
    ['outblob', 'EWOULDBLOCK'],
    ['outblob', 'ETIMEDOUT'],
    ['auxblob', 'EINTR'],
    ['generation', 'EBUSY'],
  ])('waits when %s says %s, with a new request each time', async (name, code) => {
    const kernel = model({ trouble: { name, code, times: 2 } });
    await createConfigfsTsm(kernel).quote(REPORT_DATA);
    expect(kernel.waits).toEqual([250, 500]);
    expect(kernel.requests.size).toBe(0);
    expect(kernel.open.count).toBe(0);
  });

  test.each([1, 7, 1_183])('puts reads of %i bytes together', async (shortReads) => {
    const quote = await createConfigfsTsm(model({ shortReads })).quote(REPORT_DATA);
    expect(quote.report).toHaveLength(1_184);
    expect(parsePemCertificates(quote.certificateChain)).toHaveLength(3);
  });

  test('asks for a privilege level where it is told to, and counts that write', async () => {
    const kernel = model({ floor: 1 });
    await createConfigfsTsm({ ...kernel, privilegeLevel: 2 }).quote(REPORT_DATA);
    expect(kernel.asked).toEqual(['2']);
    expect(kernel.waits).toEqual([]);
    const below = createConfigfsTsm({ ...model({ floor: 1 }), privilegeLevel: 0 });
    await expect(below.quote(REPORT_DATA).catch(checkOf)).resolves.toBe('privilege-floor');
  });

  test('an empty table is completed from elsewhere, or nothing is given', async () => {
    const kernel = model({ emptyTable: true });
    const bare = createConfigfsTsm(kernel).quote(REPORT_DATA);
    await expect(bare.catch(checkOf)).resolves.toBe('no-certificates');
    const hints: number[] = [];
    const endorsements = {
      chainFor: async (_report: Uint8Array, given: readonly Uint8Array[] = []) => {
        hints.push(given.length);
        return 'a chain';
      },
    };
    const quote = await createConfigfsTsm({ ...kernel, endorsements }).quote(REPORT_DATA);
    expect(quote.certificateChain).toBe('a chain');
    await createConfigfsTsm({ ...model(), endorsements }).quote(REPORT_DATA);
    expect(hints).toEqual([0, 3]);
  });

  test('a request that cannot be removed does not spoil the report', async () => {
    const quote = await createConfigfsTsm(model({ stuck: true })).quote(REPORT_DATA);
    expect(quote.report).toHaveLength(1_184);
  });

  test.each([
    ['no interface', { missing: true }, 'no-configfs-tsm'],
    ['another kind of guest', { provider: 'tdx_guest' }, 'other-provider'],
    [
      'a host that never answers',
      { trouble: { name: 'outblob', code: 'EBUSY', times: 99 } },
      'busy',
    ],
    ['another process that never rests', { disturbed: 99 }, 'busy'],
    ['a report for another request', { stale: true }, 'other-report'],
    ['a value that was not taken whole', { partialWrites: true }, 'value-in-part'],
    ['a blob without an end', { endless: true }, 'value-too-long'],
    [
      'a failure that waiting does not mend',
      { trouble: { name: 'outblob', code: 'EIO', times: 1 } },
      'request-failed',
    ],
  ])('gives up on %s, leaving nothing behind', async (_name, faults, check) => {
    const kernel = model(faults);
    const error = await createConfigfsTsm(kernel)
      .quote(REPORT_DATA)
      .catch((thrown: unknown) => thrown);
    expect(codeOf(error)).toBe('ERR_PLATFORM_UNAVAILABLE');
    expect(checkOf(error)).toBe(check);
    expect(kernel.requests.size).toBe(0);
    expect(kernel.open.count).toBe(0);
    expect(kernel.waits.length).toBeLessThanOrEqual(5);
  });
});

function checkOf(error: unknown): unknown {
  return error instanceof StrongroomError ? error.facts['check'] : error;
}
