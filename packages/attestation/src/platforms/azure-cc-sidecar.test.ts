import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { reportDataOf } from '../binding.ts';
import { simulatedRoots } from '../insecure.ts';
import { createSidecarPlatform, type SidecarPlatformOptions } from './azure-cc-sidecar.ts';
import { createEndorsementSource, type EndorsementSource } from './endorsement-source.ts';
import type { Platform } from './platform.ts';
import { readSecurityContext } from './read-security-context.ts';
import { createSidecarClient } from './sidecar-client.ts';

const DATA = new TextEncoder().encode('what the report has to bind');
const REPORT_DATA = reportDataOf(DATA);
const READY = [200, '{"message":"Status OK"}'] as const;
const closers: (() => void)[] = [];
let guest: Platform;
let endorsements: EndorsementSource;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  guest = shared.platform.launch({ image: [DATA], hostData: new Uint8Array(32).fill(5) });
  const clock = { now: () => performance.timeOrigin + performance.now() };
  endorsements = createEndorsementSource({
    roots: simulatedRoots(shared.folder),
    clock,
    offline: true,
  });
}, 60_000);

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Canned = Readonly<Record<string, readonly [status: number, body: string]>>;

/** Answers as it was told, whatever is asked. */
async function sidecarOf(answers: Canned, more: Partial<SidecarPlatformOptions> = {}) {
  const server = createServer((request, response) => {
    const [status, body] = answers[request.url ?? ''] ?? [404, 'not found'];
    request.resume().on('end', () => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const waits: number[] = [];
  const platform = createSidecarPlatform({
    client: createSidecarClient(`http://127.0.0.1:${port}`),
    endorsements,
    securityContext: null,
    wait: async (milliseconds) => waits.push(milliseconds),
    ...more,
  });
  return { quote: (data = DATA) => platform.quote(REPORT_DATA, data), waits };
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'taken',
    (error: unknown) =>
      error instanceof StrongroomError ? `${error.code} ${error.facts['check']}` : error,
  );

async function combined(reportData = REPORT_DATA, change: object = {}): Promise<string> {
  const { report, certificateChain } = await guest.quote(reportData);
  return JSON.stringify({
    endorsed_tcb: Buffer.from(report.subarray(0x180, 0x188)).reverse().toString('hex'),
    endorsements: Buffer.from(certificateChain).toString('base64'),
    evidence: Buffer.from(report).toString('base64'),
    uvm_endorsements: '',
    ...change,
  });
}

describe('what is not a report', () => {
  test.each([
    ['is not ready', [200, '{"message":"Status NOT OK"}']],
    ['is not ready, as its README spells it', [200, '{"message":"STATUS NOT OK"}']],
    ['says so with words around it', [200, '{"message":"Status OK?"}']],
    ['adds members', [200, '{"message":"Status OK","report":"00"}']],
    ['says it with another status', [503, '{"message":"Status OK"}']],
    ['is a web page', [200, '<html>Status OK</html>']],
  ] as const)('a sidecar that %s is waited for, and never asked', async (_name, status) => {
    const answers = { '/status': status, '/attest/combined': [200, await combined()] } as const;
    const { quote, waits } = await sidecarOf(answers);
    expect(await refusal(quote())).toBe('ERR_PLATFORM_UNAVAILABLE sidecar-not-ready');
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000]);
  });

  test.each([
    ['an error with status 200', async () => '{"error":"no"}', 'sidecar-answer-form'],
    ['two bodies', async () => `{"error":"no"}${await combined()}`, 'sidecar-answer-form'],
    ['nothing', async () => '', 'sidecar-answer-form'],
    [
      'a shorter report',
      () => combined(REPORT_DATA, { evidence: 'AAAA' }),
      'sidecar-report-length',
    ],
    ['no base64', () => combined(REPORT_DATA, { evidence: '!' }), 'sidecar-report-length'],
    [
      'endorsements of other versions',
      () => combined(REPORT_DATA, { endorsed_tcb: '0'.repeat(16) }),
      'sidecar-endorsed-tcb',
    ],
  ])('%s', async (_name, body, check) => {
    const { quote } = await sidecarOf({
      '/status': READY,
      '/attest/combined': [200, await body()],
    });
    expect(await refusal(quote())).toBe(`ERR_PLATFORM_UNAVAILABLE ${check}`);
  });

  test('a report for somebody else', async () => {
    const body = await combined(reportDataOf(new Uint8Array(3)));
    const { quote } = await sidecarOf({ '/status': READY, '/attest/combined': [200, body] });
    expect(await refusal(quote())).toBe('ERR_REPORT_DATA_MISMATCH sidecar');
  });

  test('a fake: a recorded report in which only REPORT_DATA was changed', async () => {
    const { report, certificateChain } = await guest.quote(new Uint8Array(64));
    report.set(REPORT_DATA, 0x50);
    const evidence = Buffer.from(report).toString('base64');
    const body = await combined(REPORT_DATA, { evidence });
    const { quote } = await sidecarOf({ '/status': READY, '/attest/combined': [200, body] });
    expect(certificateChain).not.toBe('');
    expect(await refusal(quote())).toBe('ERR_REPORT_SIGNATURE signature');
  });

  test('data that the 64 bytes do not bind is not even sent', async () => {
    const { quote } = await sidecarOf({ '/status': READY });
    expect(await refusal(quote(new Uint8Array(1)))).toBe('ERR_PLATFORM_UNAVAILABLE runtime-data');
  });
});

describe('a report', () => {
  test('from an older sidecar, which has only the raw route', async () => {
    const { report, certificateChain } = await guest.quote(REPORT_DATA);
    const raw = JSON.stringify({ report: Buffer.from(report).toString('hex') });
    const chainFor = async () => certificateChain;
    const { quote } = await sidecarOf(
      { '/status': [200, '{"message":"STATUS OK"}'], '/attest/raw': [200, raw] },
      { endorsements: { chainFor } },
    );
    expect((await quote()).report).toEqual(report);
  });

  test('is held against the policy that lies beside the container', async () => {
    const answers = { '/status': READY, '/attest/combined': [200, await combined()] } as const;
    const context = { certificates: null, uvmEndorsement: null };
    const same = { ...context, hostData: new Uint8Array(32).fill(5) };
    const other = { ...context, hostData: new Uint8Array(32).fill(6) };
    const good = await sidecarOf(answers, { securityContext: same });
    expect(await refusal(good.quote())).toBe('taken');
    const bad = await sidecarOf(answers, { securityContext: other });
    expect(await refusal(bad.quote())).toBe('ERR_PLATFORM_UNAVAILABLE security-policy');
    const garbled = { ...same, uvmEndorsement: new Uint8Array(5) };
    const unsigned = await sidecarOf(answers, { securityContext: garbled });
    expect(await refusal(unsigned.quote())).toMatch(/^ERR_UVM_ENDORSEMENT/);
  });
});

test('a sidecar stands beside us: no other address is taken', () => {
  for (const url of ['https://127.0.0.1:1', 'http://10.0.0.1', 'http://127.0.0.1.example', 'x']) {
    expect(() => createSidecarClient(url)).toThrow(StrongroomError);
  }
  expect(() => createSidecarClient('http://localhost:8080')).not.toThrow();
});

describe('the security context', () => {
  test('from its folder, from older variables, or not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-context-'));
    await writeFile(join(folder, 'security-policy-base64'), 'cGFja2FnZQ==\n');
    const inFolder = await readSecurityContext({ UVM_SECURITY_CONTEXT_DIR: folder });
    const inVariable = await readSecurityContext({ UVM_SECURITY_POLICY: 'cGFja2FnZQ==' });
    expect(inFolder).toEqual(inVariable);
    expect(inFolder?.hostData).toHaveLength(32);
    expect(await readSecurityContext({})).toBeNull();
    await writeFile(join(folder, 'reference-info-base64'), 'not base64');
    const garbled = readSecurityContext({}, folder);
    await expect(garbled.catch(codeOf)).resolves.toBe('ERR_EVIDENCE_MALFORMED');
    await rm(folder, { recursive: true });
    const gone = readSecurityContext({ UVM_SECURITY_CONTEXT_DIR: folder });
    await expect(gone.catch(codeOf)).resolves.toBe('ERR_FILE_UNREADABLE');
  });
});
