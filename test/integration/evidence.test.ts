import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { DatasetIdSchema } from '@strongroom/protocol/fields';
import { ANSWERS_PER_MINUTE_MAX } from '@strongroom/protocol/limits';
import {
  challengesTopic,
  datasetTopic,
  evidenceRecordShape,
  evidenceTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import { freePort } from '@strongroom/record-log/free-port';
import type { LogEntry } from '@strongroom/record-log/log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  askForEvidence,
  codeOfEnd,
  type Deployment,
  jsonLines,
  publish,
  type Shipment,
  startWorker,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import { VISITS_PLAN, writeVisits } from './visits.ts';

/** Somebody who trusts nobody asks a running worker, over a real log and over HTTP. */

const ROWS_EACH = 4_000;

interface Shown {
  readonly accepted: boolean;
  readonly mismatches: readonly { readonly claim: string }[];
  readonly platform: string;
  readonly code: { readonly name: string };
  readonly since: string;
  readonly epoch: number;
  readonly counted: readonly { readonly dataset: string; readonly rows: number }[];
  readonly refusals: Readonly<Record<string, number>>;
}

let base: Deployment;
let shipments: Shipment[];

beforeAll(async () => {
  const opened = await openDeployment(VISITS_PLAN);
  base = { ...opened.base, agreement: opened.organisations, logLevel: 'debug' };
  shipments = await writeVisits(base.folders.run, ROWS_EACH);
});

afterAll(() => closeDeployment(base));

const fresh = (namespace: string) => inNamespace(base, namespace);

async function ask(deployment: Deployment, more: readonly string[] = []) {
  const finished = await askForEvidence(deployment, ['--json', ...more]);
  const [shown] = jsonLines<Shown>(finished.stdout);
  return { exitCode: finished.exitCode, code: codeOfEnd(finished), shown };
}

async function entriesOf(deployment: Deployment, topic: string): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  for await (const entries of deployment.log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    found.push(...entries);
  }
  return found;
}

function topicsOf({ agreement, namespace }: Deployment) {
  const { contractId } = agreement;
  return {
    challenges: challengesTopic(contractId, namespace),
    evidence: evidenceTopic(contractId, namespace),
  };
}

describe('evidence on demand', () => {
  test('both ways, with what was counted and refused, and until the worker ends', async () => {
    const deployment = await fresh('asked');
    const [north] = shipments;
    if (!north) throw new Error('no shipment');
    await publish(deployment, north, ['--no-final']);
    const topic = datasetTopic(
      deployment.agreement.contractId,
      DatasetIdSchema.parse(north.dataset),
      deployment.namespace,
    );
    const [first] = await entriesOf(deployment, topic);
    if (!first) throw new Error('no batch');
    const { key, value, headers } = first;
    await deployment.log.append(topic, [{ key, value, headers }]);
    const port = await freePort();
    const worker = startWorker(deployment, 'worker', ['--port', String(port)]);
    const overLog = await ask(deployment);
    expect(overLog).toMatchObject({ exitCode: 0, code: undefined });

    const http = ['--worker', `http://127.0.0.1:${port}`];
    let shown = overLog.shown;
    while (shown?.counted.find(({ dataset }) => dataset === north.dataset)?.rows !== ROWS_EACH) {
      const overHttp = await ask(deployment, http);
      expect(overHttp).toMatchObject({ exitCode: 0, code: undefined });
      shown = overHttp.shown;
    }
    const now = Date.now();
    for (const each of [overLog.shown, shown]) {
      expect(each).toMatchObject({
        ...{ accepted: true, mismatches: [], platform: 'simulated', epoch: 0 },
        code: { name: 'this checkout' },
      });
      const since = Date.parse(each?.since ?? '');
      expect(now - since).toBeGreaterThan(-1_000);
      expect(now - since).toBeLessThan(120_000);
    }
    expect(shown?.refusals).toEqual({ ERR_BATCH_REPLAYED: 1 });

    await worker.stop();
    expect(await ask(deployment, ['--timeout', '2'])).toEqual({
      ...{ exitCode: 69, code: 'ERR_EVIDENCE_UNANSWERED', shown: undefined },
    });
    expect(await ask(deployment, http)).toEqual({
      ...{ exitCode: 69, code: 'ERR_SERVICE_UNREACHABLE', shown: undefined },
    });
  });

  test('an old answer under a new nonce convinces nobody', async () => {
    const deployment = await fresh('replayed');
    const topics = topicsOf(deployment);
    const worker = startWorker(deployment, 'worker');
    expect(await ask(deployment)).toMatchObject({ exitCode: 0 });
    await worker.stop();
    const [old] = await entriesOf(deployment, topics.evidence);
    if (!old) throw new Error('no answer');
    const before = await deployment.log.endOffset(topics.challenges);
    const nonce = randomBytes(32).toString('base64url');
    const asking = ask(deployment, ['--nonce', nonce, '--timeout', '6']);
    while ((await deployment.log.endOffset(topics.challenges)) === before) await sleep(20);
    const shape = evidenceRecordShape(deployment.agreement.contractId, 'evidence', nonce);
    await deployment.log.append(topics.evidence, [{ ...shape, value: old.value }]);
    const { exitCode, code, shown } = await asking;
    expect({ exitCode, code }).toEqual({ exitCode: 77, code: 'ERR_REPORT_DATA_MISMATCH' });
    expect(shown?.mismatches.map(({ claim }) => claim)).toEqual(['nonce', 'statement.nonce']);
  });

  test('a flood of challenges changes nothing of the result', async () => {
    const deployment = await fresh('flooded');
    const topics = topicsOf(deployment);
    await deployment.log.createTopics(Object.values(topics).map((topic) => ({ topic })));
    const { contractId } = deployment.agreement;
    const flood = Array.from({ length: 2_000 }, () => {
      const nonce = randomBytes(32).toString('base64url');
      const value = canonicalBytes({ contract: contractId, nonce });
      return { ...evidenceRecordShape(contractId, 'challenge', nonce), value };
    });
    const worker = startWorker(deployment, 'worker', ['--until-complete']);
    let flooding = true;
    void worker.done.then(() => {
      flooding = false;
    });
    await Promise.all([
      (async () => {
        while (flooding) await deployment.log.append(topics.challenges, flood);
      })(),
      ...shipments.map((shipment) => publish(deployment, shipment)),
    ]);
    const summary = await workerSummary(worker);
    expect(summary).toMatchObject({ rowsCounted: 2 * ROWS_EACH + 7, refusals: {} });
    const types = (await entriesOf(deployment, topics.evidence)).map(
      ({ headers }) => headers['ce_type'],
    );
    const answers = types.filter((type) => type === RECORD_TYPES.evidence);
    expect(answers.length).toBeLessThanOrEqual(
      (ANSWERS_PER_MINUTE_MAX * (60 + summary.seconds)) / 60,
    );
    expect(await deployment.log.endOffset(topics.challenges)).toBeGreaterThan(answers.length);
  });
});
