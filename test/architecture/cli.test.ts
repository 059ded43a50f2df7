import { describe, expect, test } from 'vitest';
import {
  CLI_FILE,
  cliPage,
  OPTIONS_FILE,
  optionsIn,
  optionsText,
  serviceOptions,
} from '../../scripts/write-cli.ts';
import { readServiceOptions } from '../../services/cli/src/service-options.ts';
import { readText } from './source-files.ts';

const AGAIN = 'run node --conditions=strongroom:source scripts/write-cli.ts';

describe('the command line is written down', () => {
  test(CLI_FILE, () => {
    expect(readText(CLI_FILE), AGAIN).toBe(cliPage(readServiceOptions()));
  });

  // Ten programs are started.
  test('the options of services are those that they read', { timeout: 400_000 }, async () => {
    expect(readText(OPTIONS_FILE), AGAIN).toBe(optionsText(await serviceOptions()));
  });
});

describe('canaries', () => {
  test('an option of a help is read with its wrapped text and its values', () => {
    const help = [
      'Options:',
      '  --format <format>       how rows are written, also',
      '                          where they are few (choices: "a", "b", default: "a")',
      '  --files <files...>      some',
      '  -h, --help              display help for command',
      '',
    ];
    expect(optionsIn(help.join('\n'))).toEqual([
      {
        flags: '--format <format>',
        text: 'how rows are written, also where they are few (choices: "a", "b", default: "a")',
        values: ['a', 'b'],
      },
      { flags: '--files <files...>', text: 'some' },
    ]);
  });
});
