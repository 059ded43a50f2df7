import type { Completion } from './completion-words.ts';

/** Completion function of bash (complete -F); where it offers nothing, bash offers files. */
export function bashScript(completions: readonly Completion[]): string {
  return `_strongroom() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$word" in -*|"") ;; *) path="$path $word" ;; esac
  done
  path="\${path# }"
  COMPREPLY=()
  case "$path $previous" in
${completions.flatMap(valueCases).join('\n')}
  esac
  if [ -z "$words" ]; then
    case "$path " in
${completions.map(wordCase).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _strongroom strongroom
`;
}

/** Behind an option that takes a value: its values, or files. */
function valueCases({ path, options }: Completion): string[] {
  const withValue = options.filter((each) => each.takesValue);
  const named = withValue.filter(({ values }) => values.length > 0);
  const others = withValue.filter(({ values }) => values.length === 0);
  return [
    ...named.map(({ name, values }) => `    ${at(path, name)}) words="${values.join(' ')}" ;;`),
    ...(others.length === 0
      ? []
      : [`    ${others.map(({ name }) => at(path, name)).join('|')}) return ;;`]),
  ];
}

/** A pattern for the words of a command, whatever follows them, and last this one. */
function at(path: string, last = ''): string {
  const words = path === '' ? '*' : `"${path} "*`;
  return last === '' ? words : `${words}"${last}"`;
}

/** Where files are arguments they come first; options do once a hyphen is typed. */
function wordCase({ path, commands, options, takesFiles }: Completion): string {
  const words = [...commands, ...options].map(({ name }) => name).join(' ');
  const files = takesFiles ? `[ "\${current#-}" = "$current" ] && return; ` : '';
  return `      ${at(path)}) ${files}words="${words}" ;;`;
}
