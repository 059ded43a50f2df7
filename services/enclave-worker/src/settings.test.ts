import { codeOf } from '@strongroom/protocol/errors';
import { isCodedError } from '@strongroom/runtime/coded-error';
import { expect, test } from 'vitest';
import { hardwareOptionsOf, readSettings } from './settings.ts';

const base = ['start', '--contract', 'c.json', '--brokers', 'a:1,b:2'];

test('reads what a worker needs', () => {
  const more = ['--access-token-file', 'all', '--access-token-file', 'east=one', '--deadline', '2'];
  const pair = ['--client-certificate-file', 'west=pair'];
  const settings = readSettings(
    [...base, ...more, ...pair, '--until-complete', '--json'],
    {},
    false,
  );
  expect(settings).toMatchObject({
    kafka: { brokers: 'a:1,b:2' },
    accessTokenFiles: [{ path: 'all' }, { party: 'east', path: 'one' }],
    clientCertificateFiles: [{ party: 'west', path: 'pair' }],
    deadlineMs: 2_000,
    untilComplete: true,
    json: true,
    namespace: '',
    attestation: [],
    port: 8490,
  });
});

test('takes the log from the environment when no option says otherwise', () => {
  const environment = { KAFKA_BROKERS: 'env:9092' };
  const args = ['start', '--contract', 'c.json'];
  expect(readSettings(args, environment, false)?.kafka).toEqual({ brokers: 'env:9092' });
  expect(readSettings(base, environment, false)?.kafka).toEqual({ brokers: 'a:1,b:2' });
  const file = readSettings([...args, '--kafka-config', 'own'], { KAFKA_CONFIG: 'env' }, false);
  expect(file?.kafka).toEqual({ kafkaConfig: 'own' });
});

test.each([
  [['start']],
  [['start', '--contract', 'c', '--brokers', 'nowhere']],
  [[...base, '--port', 'x']],
  [[...base, '--attestation', 'localhost']],
  [[...base, '--deadline', '-1']],
  [[...base, '--unknown']],
  [[...base, '--log-level', 'loud']],
  [[...base, '--platform-dir', 'p']],
  [[...base, '--extra-page', 'p']],
  [[...base, '--platform', 'simulated']],
  [[...base, '--sidecar', 'https://elsewhere.example']],
])('refuses %j', (args) => {
  try {
    readSettings(args, {}, false);
    expect.fail('it was taken');
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_USAGE');
    expect(isCodedError(error) ? error.exitCode : 0).toBe(2);
  }
});

test('only the simulated entry knows the simulated platform', () => {
  const args = [...base, '--platform-dir', 'p', '--extra-page', 'f'];
  expect(readSettings(args, {}, true)).toMatchObject({ platformDir: 'p', extraPage: 'f' });
  expect(() => readSettings(base, {}, true)).toThrow();
});

test('the entry for hardware chooses among hardware, the simulated one has no choice', () => {
  expect(readSettings(base, {}, false)).toMatchObject({ platform: 'configfs-tsm' });
  const more = ['--platform', 'azure-cc-sidecar', '--endorsements-cache', 'c'];
  const settings = readSettings([...base, ...more, '--endorsements-offline', 'o'], {}, false);
  expect(settings && hardwareOptionsOf(settings)).toEqual({
    platform: 'azure-cc-sidecar',
    endorsementsCache: 'c',
    endorsementsOffline: 'o',
  });
  const simulated = [...base, '--platform-dir', 'p', '--platform', 'configfs-tsm'];
  expect(() => readSettings(simulated, {}, true)).toThrow();
});
