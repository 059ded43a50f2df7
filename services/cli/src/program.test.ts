import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ERRORS, type ErrorCode, EXIT_CODES, StrongroomError } from '@strongroom/protocol/errors';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { BIN, inside, outside, strongroom, strongroomInside } from '../test/run-strongroom.ts';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { factsOf } from './leaf-command.ts';
import { strongroomProgram } from './program.ts';
import { readServiceOptions } from './service-options.ts';
import { VERBS } from './verbs.ts';

function leavesOf(command: Command, path = ''): [string, Command][] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((each) => leavesOf(each, `${path} ${each.name()}`.trim()));
}

function helpOf(command: Command): string {
  let help = '';
  const writeOut = (text: string) => {
    help += text;
  };
  command.configureOutput({ writeOut }).outputHelp();
  return help;
}

describe('every command', () => {
  const leaves = leavesOf(strongroomProgram());
  const services = readServiceOptions();

  test.each(leaves)('%s', (path, leaf) => {
    const facts = factsOf(leaf);
    expect(leaf.description()).not.toBe('');
    expect(Object.keys(VERBS)).toContain(leaf.name());
    expect(facts?.example).toContain(`strongroom ${path}`);
    const help = helpOf(leaf);
    expect(help).toContain(`Examples:\n  ${facts?.example}`);
    for (const code of Object.keys({ ...EXIT_MEANINGS, ...facts?.exits })) {
      expect(help).toMatch(new RegExp(`^  ${code} +\\S`, 'm'));
    }
    // Either it knows --json, or it says why it does not.
    const own = services[path]?.map(({ flags }) => flags) ?? [];
    const options = facts?.ownProgram ? own : leaf.options.map((option) => option.long);
    expect(options.includes('--json')).toBe(facts?.withoutJson === undefined);
  });

  test('what listens has a port of its own, so that one machine can run one of each', () => {
    const said = (flags: string, text: string) =>
      flags.startsWith('--port') ? /default:? "?(\d+)/.exec(text)?.[1] : undefined;
    const ports = new Map<string, string[]>();
    for (const [path, leaf] of leaves) {
      const own = leaf.options.map(({ flags, defaultValue }) =>
        said(flags, `default: ${defaultValue}`),
      );
      const other = services[path]?.map(({ flags, text }) => said(flags, text)) ?? [];
      const port = [...own, ...other].find((each) => each !== undefined);
      if (port !== undefined) ports.set(port, [...(ports.get(port) ?? []), path]);
    }
    expect(Object.fromEntries(ports)).toEqual({
      8080: ['platform serve-sidecar'],
      8470: ['ledger start', 'key-release start'],
      8480: ['attestation start'],
      8481: ['owner serve'],
      8482: ['analyst serve'],
      8490: ['worker start'],
    });
  });

  test('every verb that is explained has a command', () => {
    const used = new Set(leaves.map(([, leaf]) => leaf.name()));
    expect(Object.keys(VERBS).filter((verb) => !used.has(verb))).toEqual([]);
  });

  test('every exit code of an error has a meaning', () => {
    const exits = Object.keys(ERRORS).map(
      (code) => new StrongroomError(code as ErrorCode).exitCode,
    );
    expect(Object.keys(EXIT_MEANINGS)).toEqual(expect.arrayContaining(exits.map(String)));
  });
});

describe('the real command', () => {
  test.each([
    [['contrct'], 'ERR_USAGE', 2],
    [['contract'], 'ERR_USAGE', 2],
    [['contract', 'sign'], 'ERR_USAGE', 2],
    [['contract', 'verify'], 'ERR_USAGE', 2],
    [['contract', 'show', 'a', 'b'], 'ERR_USAGE', 2],
    [['key', 'create', '--type', 'dsa'], 'ERR_USAGE', 2],
    [['kafka', 'start', '--port', '99999'], 'ERR_USAGE', 2],
    [['errors', 'list', 'ERR_NOTHING'], 'ERR_USAGE', 2],
  ])('refuses %j', async (args, code, exitCode) => {
    expect(await inside(...args)).toMatchObject({ code, exitCode });
  });

  test('tells a person what was expected and what to do, on stderr', async () => {
    const { exitCode, stdout, stderr } = await strongroom('contract', 'sign');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^error ERR_USAGE: .*--contract.*--help.*\n$/);
  });

  test('prints help on stdout with exit code 0', async () => {
    const { exitCode, stdout, stderr } = await strongroom('contract', 'sign', '--help');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('Usage: strongroom contract sign');
  });

  test('gives a service its own help, arguments and exit code', async () => {
    const help = await strongroom('analyst', 'read', '--help');
    expect(help.exitCode).toBe(0);
    expect(help.stdout).toContain('Usage: strongroom analyst read');
    expect(help.stdout.match(/^Examples?:$/gm)).toEqual(['Examples:']);
    expect(help.stdout).toContain('Exit codes:');
    const badFormat = await outside('analyst', 'read', '--format', 'xml');
    expect(badFormat).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    const failed = await outside(
      ...['analyst', 'read', '--contract', 'nowhere', '--identity', 'nowhere', '--brokers', 'x:1'],
    );
    expect(failed).toMatchObject({ code: 'ERR_FILE_UNREADABLE', exitCode: 77 });
  });

  test('lists every error code', async () => {
    const { data } = await inside('errors', 'list');
    expect(data.map((row: { code: string }) => row.code)).toEqual(Object.keys(ERRORS));
    const { stdout } = await strongroomInside('errors', 'list', 'ERR_DISK_FULL');
    expect(stdout).toContain('Free space and start again');
  });

  test('says that no Kafka runs, and where none runs nothing is stopped', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-kafka-'));
    try {
      const status = await outside('kafka', 'status', '--folder', folder);
      expect(status).toMatchObject({ code: 'ERR_LOG_UNREACHABLE', exitCode: 69 });
      const stopped = await inside('kafka', 'stop', '--folder', folder);
      expect(stopped).toMatchObject({ exitCode: 0, data: { running: false } });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('measures the worker of this build, the same each time', async () => {
    const first = await inside('measure', '--name', 'v1');
    expect(first.data).toEqual({ name: 'v1', sha384: expect.stringMatching(/^[0-9a-f]{96}$/) });
    expect((await inside('measure', '--name', 'v1')).data).toEqual(first.data);
  });

  test('measures an image and a container policy', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-measure-'));
    const policy = join(folder, 'policy.rego');
    try {
      const { data } = await inside('measure', '--image', folder, '--name', 'nothing');
      const tree = 'sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=';
      expect(data).toEqual({ name: 'nothing', tree, files: 0, bytes: 0 });
      await writeFile(policy, 'package policy\n');
      const measured = await inside('measure', '--policy', policy);
      expect(measured.data).toMatchObject({ name: 'this build', findings: [] });
      expect(await inside('measure', '--policy', policy, '--image', folder)).toMatchObject({
        code: 'ERR_USAGE',
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('knows its version both ways', async () => {
    const { data } = await inside('version');
    const { stdout } = await strongroomInside('--version');
    expect(stdout.trim()).toBe(data.strongroom);
  });

  test('says that a vault does not answer, and that a vault is no URL', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-vault-'));
    const token = join(folder, 'token');
    await writeFile(token, 'secret-token');
    try {
      const list = (vault: string) =>
        inside('key', 'list', '--vault', vault, '--token-file', token);
      expect(await list('https://127.0.0.1:1')).toMatchObject({
        code: 'ERR_SERVICE_UNREACHABLE',
        exitCode: 69,
      });
      expect(await list('http://127.0.0.1:1')).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('output that nobody takes', () => {
  const table = fileURLToPath(new URL('../../../examples/two-clinics/north.csv', import.meta.url));
  test.each([['version'], ['producer', 'describe', '--source', table]])(
    'of %s: a full disk is an error, a closed pipe is none',
    async (...args) => {
      const full = openSync('/dev/full', 'w');
      const node = [process.execPath, BIN, ...args];
      const onFull = spawn(process.execPath, node.slice(1), { stdio: ['ignore', full, 'pipe'] });
      closeSync(full);
      const ended = once(onFull, 'close');
      expect(onFull.stderr && (await text(onFull.stderr))).toMatch(/^error ERR_DISK_FULL/);
      expect((await ended)[0]).toBe(EXIT_CODES.retry);
      const pipe = ['-c', '{ "$@"; echo "ended $?" >&2; } | true', 'sh', ...node];
      const closed = spawn('sh', pipe, { stdio: ['ignore', 'ignore', 'pipe'] });
      expect(closed.stderr && (await text(closed.stderr))).toBe('ended 0\n');
    },
  );
});
