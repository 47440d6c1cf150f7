import type { Argument, Command, Option } from 'commander';

/** Completions after a command. */
interface CompletionEntry {
  /** `checkpoint ls`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly options: readonly string[];
  /** Options that take a value, by flag, and its kind. */
  readonly valued: readonly { readonly flag: string; readonly value: Value }[];
  readonly argument: Value;
}

/** Source of the candidates for a value: the cluster, the file system, a list, or none. */
type Value = 'job' | 'worker' | 'file' | 'none' | readonly string[];

/** Returns a bash script that completes the commands of `program`. Jobs and workers are requested from the cluster when needed. */
export function bashCompletion(program: Command): string {
  const name = program.name();
  const entries = entriesOf(program);
  const paths = entries.map(({ path }) => path).filter((path) => path !== '');
  const values = entries.flatMap(({ path, valued }) => valued.map(({ flag, value }) => [`${path}:${flag}`, value] as const));
  return `# Completion of ${name} for bash: source <(${name} completion bash)
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word skip="" kind words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      ${entries[0]!.valued.map(({ flag }) => flag).join('|')}) skip=1; continue ;;
      -*) continue ;;
    esac
    case " ${paths.map((path) => path.replace(' ', '/')).join(' ')} " in
      *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
      *) break ;;
    esac
  done
  kind="" words=""
  case "$path:$previous" in
${values.map(([key, value]) => `    ${pattern(key)}) ${bashValue(value)} ;;`).join('\n')}
  esac
  if [ -z "$kind" ]; then
    if [ "\${current#-}" != "$current" ]; then
      case "$path" in
${entries.map(({ path, options }) => caseOf(path, `words="${options.join(' ')}"`)).join('\n')}
      esac
      kind=list
    else
      case "$path" in
${entries.map(({ path, commands, argument }) => caseOf(path, bashValue(commands.length > 0 ? commands : argument))).join('\n')}
      esac
    fi
  fi
  case "$kind" in
    job|worker) words="$(${name} __names "$kind" 2>/dev/null)" ;;
    file) COMPREPLY=($(compgen -f -- "$current")); compopt -o filenames 2>/dev/null; return ;;
    none) return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${name} ${name}
`;
}

/** Returns the same for zsh, which runs bash's script by its own emulation. */
export function zshCompletion(program: Command): string {
  const name = program.name();
  return `#compdef ${name}
# Completion of ${name} for zsh: put this file as _${name} into a folder of fpath, or source it after compinit.
autoload -U +X bashcompinit && bashcompinit
${bashCompletion(program).split('\n').slice(1).join('\n')}`;
}

/** Returns every visible command of the tree, the program first. */
function entriesOf(program: Command): CompletionEntry[] {
  const visit = (command: Command, path: readonly string[]): CompletionEntry[] => {
    const help = command.createHelp();
    const inner = help.visibleCommands(command).filter((each) => each.name() !== 'help');
    const options = [...help.visibleOptions(command), ...(path.length === 0 ? [] : help.visibleGlobalOptions(command))];
    return [
      {
        path: path.join(' '),
        commands: inner.map((each) => each.name()),
        options: options.map(({ long, short }) => long ?? short!),
        valued: options
          .filter(({ required, optional }) => required || optional)
          .map((option) => ({ flag: option.long!, value: valueOfOption(option) })),
        argument: valueOfArgument(command.registeredArguments[0]),
      },
      ...inner.flatMap((each) => visit(each, [...path, each.name()])),
    ];
  };
  return visit(program, []);
}

function valueOfOption({ flags, argChoices }: Option): Value {
  if (argChoices !== undefined) return argChoices;
  return /<(dir|file|folder|checkpoint)>/.test(flags) ? 'file' : 'none';
}

function valueOfArgument(argument: Argument | undefined): Value {
  switch (argument?.name()) {
    case undefined:
      return 'none';
    case 'job':
      return 'job';
    case 'name':
      return 'worker';
    case 'shell':
      return ['bash', 'zsh'];
    default:
      return 'file';
  }
}

function bashValue(value: Value): string {
  return typeof value === 'string' ? `kind=${value}` : `kind=list words="${value.join(' ')}"`;
}

/** A branch of the scripts' `case` over the path of a command. */
const caseOf = (path: string, action: string): string => `        ${pattern(path)}) ${action} ;;`;

function pattern(path: string): string {
  return `"${path.replace(' ', '/')}"`;
}
