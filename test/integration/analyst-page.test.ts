import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { aggregatesTopic } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogRecord } from '@strongroom/record-log/log';
import { createLogger } from '@strongroom/runtime/logger';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createScene, type Scene } from '../../services/analyst/test/scene.ts';
import { programOf } from '../../services/cli/src/start-service.ts';
import { browserPath, openBrowser } from '../page/chromium.ts';

/** `analyst serve`, `save` and `verify` as they are started, over Kafka. */

const isLong = process.env['STRONGROOM_LONG'] === '1' && browserPath !== undefined;

let folder: string;
let scene: Scene;
let options: string[];
let served: ChildProcess | undefined;

beforeAll(async () => {
  if (!isLong) return;
  folder = await mkdtemp(join(tmpdir(), 'strongroom-page-'));
  scene = await createScene();
  await writeFile(join(folder, 'contract.json'), scene.signedText);
  await writeFile(join(folder, 'authority.json'), scene.identityJson.authority);
  const { folder: platform } = await sharedTestPlatform();
  const contract = ['--contract', join(folder, 'contract.json')];
  options = [...contract, '--brokers', inject('brokers'), '--roots', platform];
  const worker = await scene.worker();
  await publish([worker.tokenRecord, await worker.seal(), await worker.seal({ emission: 1 })]);
});
afterAll(async () => {
  served?.kill('SIGTERM');
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function publish(records: readonly LogRecord[]): Promise<void> {
  const logger = createLogger('test', { level: 'silent' });
  const brokers = inject('brokers').split(',');
  const log = await connectKafkaLog({ brokers, clientId: 'analyst-page-test', logger });
  const topic = aggregatesTopic(scene.contractId);
  await log.createTopics([{ topic }]);
  await log.append(topic, records);
  await log.close();
}

function analyst(...args: string[]): ChildProcess {
  const command = [...programOf('analyst', 'main.insecure'), ...args];
  return spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
}

describe.runIf(isLong)('over Kafka', () => {
  test('a served page shows what is on the log, and ends in order', async () => {
    served = analyst('serve', ...options, '--port', '0', '--json');
    const [line] = await once(createInterface({ input: served.stdout ?? process.stdin }), 'line');
    const browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(JSON.parse(String(line)).url);
    await page.setInputFiles('#identity', join(folder, 'authority.json'));
    await page.waitForSelector('.state-live');
    expect(await page.locator('.nav-detail').first().textContent()).toBe('2 results');
    await browser.close();
    served.kill('SIGTERM');
    expect(await once(served, 'exit')).toEqual([0, null]);
  });

  test('a saved result is verified without the log', async () => {
    const file = join(folder, 'result.json');
    const save = analyst('save', ...options, '--query', 'daily', '--emission', '0', '--out', file);
    expect(await once(save, 'exit')).toEqual([0, null]);
    expect(JSON.parse(await readFile(file, 'utf8')).strongroom).toBe('saved-result/v1');
    const identity = ['--identity', join(folder, 'authority.json')];
    const roots = options.slice(-2);
    const verify = analyst('verify', file, ...roots, ...identity, '--json');
    const pieces = await promisify(text)(verify);
    const { proven, result } = JSON.parse(String(pieces));
    expect(proven).toContainEqual(['code', expect.stringContaining('build 1')]);
    expect(result).toMatchObject({ query: 'daily', emission: 0 });
  });
});

function text(program: ChildProcess, done: (error: Error | null, text?: string) => void): void {
  let printed = '';
  program.stdout?.on('data', (piece) => {
    printed += String(piece);
  });
  program.on('exit', (code) => done(code === 0 ? null : new Error(`exit ${code}`), printed));
}
