import { execFileSync, spawnSync } from 'node:child_process';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { bashScript } from './completion-bash.ts';
import { fishScript } from './completion-fish.ts';
import { completionsOf } from './completion-words.ts';
import { strongroomProgram } from './program.ts';

const completions = completionsOf(strongroomProgram());
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;
for (const shell of ['bash', 'zsh', 'fish'].filter((each) => !has(each))) {
  process.stderr.write(`SKIPPED: completion in ${shell}: it is not installed here\n`);
}

/** What a shell would offer for words of which the last is being typed; '' offers files. */
type Offers = (...words: string[]) => string[];

const inBash: Offers = (...words) => {
  const line = ['strongroom', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _strongroom`;
  const script = `${bashScript(completions)}\n${ask}; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return linesOf(execFileSync('bash', ['-c', script], { encoding: 'utf8' }));
};

/** As its adapter calls it: with bash's arrays; zsh itself drops what does not begin so. */
const inZsh: Offers = (...words) => {
  const line = ['strongroom', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _strongroom`;
  const start =
    'autoload -U compinit && compinit -D -u; autoload -U +X bashcompinit && bashcompinit';
  const script = `${start}\n${bashScript(completions)}\nemulate sh\n${ask}`;
  const args = ['-fc', `${script}; printf '%s\\n' "\${COMPREPLY[@]}"`];
  const offered = linesOf(execFileSync('zsh', args, { encoding: 'utf8' }));
  return offered.filter((each) => each.startsWith(words.at(-1) ?? ''));
};

const inFish: Offers = (...words) => {
  const script = `${fishScript(completions)}\ncomplete -C 'strongroom ${words.join(' ')}'`;
  const lines = linesOf(execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }));
  return lines.map((line) => line.split('\t')[0] ?? '');
};

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

describe.each([
  ['bash', inBash],
  ['zsh', inZsh],
  ['fish', inFish],
])('%s', (shell, offers) => {
  test.skipIf(!has(shell))('offers nouns, verbs, options and their values', () => {
    expect(offers('')).toEqual(expect.arrayContaining(['contract', 'key', 'key-release']));
    expect(offers('contract', 's').sort()).toEqual(['show', 'sign']);
    expect(offers('key', '')).toContain('create');
    expect(offers('key-release', '')).toEqual(expect.arrayContaining(['start', 'rewrap']));
    expect(offers('key-release', '')).not.toContain('create');
    expect(offers('key', 'create', '--ty')).toEqual(['--type']);
    expect(offers('key', 'create', '--type', '').sort()).toEqual(['oct', 'rsa']);
    expect(offers('key', 'create', '--name', 'k1', '--type', 'r')).toEqual(['rsa']);
  });

  test.skipIf(!has(shell))('offers what services read themselves', () => {
    const formats = ['arrow', 'auto', 'csv', 'ndjson', 'parquet'];
    expect(offers('producer', 'publish', '--format', '').sort()).toEqual(formats);
    expect(offers('worker', 'start', '--simul')).toEqual(['--simulated']);
  });
});

test('bash leaves files to itself behind an option that names one, and as an argument', () => {
  expect(inBash('contract', 'sign', '--contract', '')).toEqual([]);
  expect(inBash('contract', 'verify', '')).toEqual([]);
  expect(inBash('contract', 'verify', '--j')).toEqual(['--json']);
});
