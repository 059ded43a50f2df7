import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identityFile, platformFolder } from '../deployment/organisations.ts';
import {
  contractFile,
  type Deployment,
  jsonLines,
  publish,
  startWorker,
  stateFolder,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import { READER, VISITS_PLAN, writeVisits } from './visits.ts';

/** The examples as their READMEs say, one after the other: what is shown to others does run. */

const ROOT = new URL('../..', import.meta.url).pathname;
const NAMESPACE = 'examples';
const BY_PROGRAM = 120;
const BY_FILE = 24;

let base: Deployment;
let live: Deployment;

beforeAll(async () => {
  const opened = await openDeployment(VISITS_PLAN);
  base = { ...opened.base, agreement: opened.organisations };
  live = await inNamespace(base, NAMESPACE);
});

afterAll(() => closeDeployment(base));

async function run(party: string, dataset: string, command: string, args: readonly string[]) {
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CONTRACT: contractFile(live),
      BROKERS: live.brokers,
      IDENTITY: identityFile(live.folders, party),
      STATE: stateFolder(live, dataset),
      SIMULATED_PLATFORM: platformFolder(live.folders),
      NAMESPACE,
    },
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect({ exitCode: await ended, stderr }).toMatchObject({ exitCode: 0 });
  return { stdout, stderr };
}

const runScript = (party: string, dataset: string, file: string) =>
  run(party, dataset, process.execPath, ['--conditions=strongroom:source', `examples/${file}`]);

const publishByProgram = () => runScript('north-clinic', 'visits-north', 'sdk-publish/publish.ts');

const publishByFile = () => {
  const more = ['--namespace', NAMESPACE, '--json'];
  return run('south-clinic', 'visits-south', 'examples/publish-files/publish.sh', more);
};

interface Line {
  readonly query: string;
  readonly from: string;
  readonly visits: number;
  readonly weight: string;
  readonly owners: readonly string[];
}

describe('the examples', () => {
  test('publish by a program and by a file, and read what was counted', async () => {
    const worker = startWorker(live, 'worker', ['--until-complete']);
    const [, , places] = await writeVisits(live.folders.run, 1);
    if (!places) throw new Error('three owners ship');
    const [program, file] = await Promise.all([
      publishByProgram(),
      publishByFile(),
      publish(live, places),
    ]);
    expect(jsonLines(program.stdout)).toMatchObject([{ rows: BY_PROGRAM, final: true }]);
    expect(file.stdout).toContain(`"rows":${BY_FILE}`);
    const [again] = jsonLines<object>((await publishByProgram()).stdout);
    expect(again).toMatchObject({ rows: 0, totalRows: BY_PROGRAM, resumed: true });
    await workerSummary(worker);

    const { stdout, stderr } = await runScript(READER, 'none', 'sdk-read/read.ts');
    expect(stderr).toContain('SIMULATED');
    expect(stderr).not.toContain('ERR_');
    const lines = jsonLines<Line>(stdout);
    const hourly = lines.filter(({ query }) => query === 'hourly-visits');
    expect([...new Set(hourly.map(({ from }) => from))]).toEqual([
      '2026-03-02T12:00:00.000Z',
      '2026-03-02T13:00:00.000Z',
    ]);
    const sum = hourly.reduce((total, { visits }) => total + visits, 0);
    expect(sum).toBe(BY_PROGRAM + BY_FILE);
    expect(hourly[0]?.owners).toEqual(['north-clinic', 'south-clinic']);
    expect(lines.map(({ query }) => query)).toContain('visits-by-district');
  });
});
