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
  busy?: number;
  provider?: string;
  disturbed?: number;
  missing?: boolean;
  stale?: boolean;
  withoutTable?: boolean;
}

/** A model of the kernel's folder: a request lives from mkdir to rmdir, writes are counted. */
function model(faults: Faults = {}) {
  const requests = new Map<string, { generation: number; data: Uint8Array }>();
  let busy = faults.busy ?? 0;
  let disturbed = faults.disturbed ?? 0;
  const failure = (code: string) => Object.assign(new Error(code), { code });
  const files: TsmFiles = {
    async makeFolder(path) {
      if (faults.missing) throw failure('ENOENT');
      requests.set(path, { generation: 0, data: new Uint8Array(64) });
    },
    async removeFolder(path) {
      requests.delete(path);
    },
    async write(path, bytes) {
      const request = requests.get(path.slice(0, path.lastIndexOf('/')));
      if (!request) throw failure('ENOENT');
      request.generation += 1;
      request.data = faults.stale ? new Uint8Array(64) : bytes;
      if (disturbed > 0) {
        disturbed -= 1;
        request.generation += 1;
      }
    },
    async read(path) {
      const request = requests.get(path.slice(0, path.lastIndexOf('/')));
      if (!request) throw failure('ENOENT');
      const text = (value: string) => new TextEncoder().encode(`${value}\n`);
      if (path.endsWith('/provider')) return text(faults.provider ?? 'sev_guest');
      if (path.endsWith('/generation')) return text(`${request.generation}`);
      if (path.endsWith('/auxblob')) return faults.withoutTable ? new Uint8Array(0) : table;
      if (busy > 0) {
        busy -= 1;
        throw failure('EBUSY');
      }
      return (await guest.quote(request.data)).report;
    },
  };
  const waits: number[] = [];
  const wait = async (milliseconds: number) => waits.push(milliseconds);
  return { files, wait, waits, requests };
}

describe('configfs-tsm', () => {
  test('asks once, takes the certificates from the table, and clears up', async () => {
    const kernel = model();
    const quote = await createConfigfsTsm(kernel).quote(REPORT_DATA);
    expect(quote.report.subarray(0x50, 0x90)).toEqual(REPORT_DATA);
    expect(parsePemCertificates(quote.certificateChain)).toHaveLength(3);
    expect(kernel.waits).toEqual([]);
    expect(kernel.requests.size).toBe(0);
  });

  test('waits while the host throttles and starts anew when another process wrote', async () => {
    const kernel = model({ busy: 2, disturbed: 3 });
    await createConfigfsTsm(kernel).quote(REPORT_DATA);
    expect(kernel.waits).toEqual([250, 500, 1_000]);
    expect(kernel.requests.size).toBe(0);
  });

  test('takes a chain that its operator gives', async () => {
    const kernel = { ...model({ withoutTable: true }), certificateChain: 'given' };
    expect((await createConfigfsTsm(kernel).quote(REPORT_DATA)).certificateChain).toBe('given');
  });

  test.each([
    ['no interface', { missing: true }],
    ['another kind of guest', { provider: 'tdx_guest' }],
    ['a host that never answers', { busy: 100 }],
    ['a report for another request', { stale: true }],
  ])('gives up on %s, leaving nothing behind', async (_name, faults) => {
    const kernel = model(faults);
    const quote = createConfigfsTsm(kernel).quote(REPORT_DATA);
    await expect(quote.catch(codeOf)).resolves.toBe('ERR_PLATFORM_UNAVAILABLE');
    expect(kernel.requests.size).toBe(0);
  });

  test('does not take an empty table for a chain', async () => {
    const quote = createConfigfsTsm(model({ withoutTable: true })).quote(REPORT_DATA);
    await expect(quote).rejects.toBeInstanceOf(StrongroomError);
  });
});
