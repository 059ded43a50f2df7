import process from 'node:process';
import type { Command } from 'commander';
import { bashScript } from './completion-bash.ts';
import { fishScript } from './completion-fish.ts';
import { completionsOf } from './completion-words.ts';
import { leafCommand, nounCommand } from './leaf-command.ts';

/**
 * `strongroom completion bash|zsh|fish`: a script made from the tree of commands, so that it cannot
 * fall behind it. File names are the shell's own business.
 */
export function addCompletionCommand(program: Command): void {
  const completion = nounCommand(program, 'completion', 'completion script for your shell');
  const add = (shell: string, example: string, script: () => string) =>
    leafCommand(completion, shell, `for ${shell}`, example, {
      withoutJson: 'it prints shell code',
    }).action(() => void process.stdout.write(script()));
  add('bash', 'eval "$(strongroom completion bash)"', () => bashScript(completionsOf(program)));
  add('zsh', 'eval "$(strongroom completion zsh)"', () => zshScript(program));
  add('fish', 'strongroom completion fish | source', () => fishScript(completionsOf(program)));
}

/** zsh runs bash's completion functions through its own adapter. */
function zshScript(program: Command): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(completionsOf(program))}`;
}
