import process from 'node:process';
import type { Command, Option } from 'commander';
import { nounCommand } from './leaf-command.ts';

/**
 * `strongroom completion bash|zsh`: a script made from the tree of commands, so that it cannot
 * fall behind it. File names are the shell's own business (`-o default`).
 */
export function addCompletionCommand(program: Command): void {
  const completion = nounCommand(program, 'completion', 'completion script for your shell');
  completion
    .command('bash')
    .description('for bash')
    .addHelpText('after', '\nExample:\n  eval "$(strongroom completion bash)"')
    .action(() => print(bashScript(program)));
  completion
    .command('zsh')
    .description('for zsh')
    .addHelpText('after', '\nExample:\n  eval "$(strongroom completion zsh)"')
    .action(() => print(ZSH_PROLOGUE + bashScript(program)));
}

function print(script: string): void {
  process.stdout.write(script);
}

/** zsh runs bash's completion functions through its own adapter. */
const ZSH_PROLOGUE = 'autoload -U +X bashcompinit && bashcompinit\n';

function bashScript(program: Command): string {
  const cases = wordsByPath(program).map(
    ({ path, words }) => `    "${path}"*) words="${words.join(' ')}" ;;`,
  );
  return `_strongroom() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="$path $word" ;; esac
  done
  case "\${path# }" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _strongroom strongroom
`;
}

interface Completion {
  readonly path: string;
  readonly words: readonly string[];
}

/** Longest paths first: the shell takes the first that fits. */
export function wordsByPath(command: Command, path = ''): Completion[] {
  const words = [
    ...command.commands.map((each) => each.name()),
    ...command.options.filter(isShown).map((option) => option.long ?? option.flags),
  ];
  const below = command.commands.flatMap((each) =>
    wordsByPath(each, path === '' ? each.name() : `${path} ${each.name()}`),
  );
  return [...below, { path, words }];
}

function isShown(option: Option): boolean {
  return !option.hidden;
}
