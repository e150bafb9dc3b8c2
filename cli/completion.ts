// Shell completion, generated from the command table, so that it never knows less than the parser. The scripts
// complete command names, options, fixed choices and files; they start no process.

import { isNegated, type OptionSpec, optionName } from './args.ts';
import { type CommandSpec, COMMON_OPTIONS } from './command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const completion: CommandSpec = {
  name: 'completion',
  summary: 'print a completion script for bash, zsh or fish',
  operands: '<shell>',
  options: [],
  completes: SHELLS,
  details: `Examples:
  source <(store completion bash)
  source <(store completion zsh)
  store completion fish > ~/.config/fish/completions/store.fish`,
  async run({ output }, [shell]) {
    const { parseChoice } = await import('./args.ts');
    const { COMMANDS } = await import('./program.ts');
    parseChoice(SHELLS)(shell!, 'shell');
    const script = completionScript(shell as (typeof SHELLS)[number], COMMANDS);
    output.result(script, { shell, script });
    return undefined;
  },
};

export function completionScript(shell: (typeof SHELLS)[number], commands: readonly CommandSpec[]): string {
  if (shell === 'bash') return bash(commands);
  return shell === 'zsh' ? zsh(commands) : fish(commands);
}

function visible(spec: CommandSpec): OptionSpec[] {
  return [...spec.options, ...COMMON_OPTIONS].filter(({ isHidden }) => isHidden !== true);
}

function takesValue({ flags }: OptionSpec): boolean {
  return flags.includes('<');
}

function longFlag(option: OptionSpec): string {
  return `--${isNegated(option) ? 'no-' : ''}${optionName(option)}`;
}

/** Options with fixed choices, as cases on the word before the cursor. */
function choiceCases(commands: readonly CommandSpec[]): Map<string, string> {
  const options = commands.flatMap(visible).filter(({ choices }) => choices !== undefined);
  return new Map(options.map((option) => [longFlag(option), option.choices!.join(' ')]));
}

function operandWords({ completes }: CommandSpec): string {
  return completes === undefined || completes === 'files' ? '' : completes.join(' ');
}

function bash(commands: readonly CommandSpec[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const choices = [...choiceCases(commands)].map(
    ([flag, words]) => `    ${flag}) COMPREPLY=($(compgen -W "${words}" -- "$word")); return ;;`,
  );
  const cases = commands.map((spec) => {
    const words = [...visible(spec).map(longFlag), '--help', operandWords(spec)].join(' ').trim();
    return `    ${spec.name}) words="${words}"; files=${spec.completes === 'files' ? 1 : 0} ;;`;
  });
  return `# bash completion of store
_store() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" files=0 each
  COMPREPLY=()
  case "$before" in
${choices.join('\n')}
    --home|--dir|--psk|--*-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$each" in -*) ;; *) command="$each"; break ;; esac
  done
  case "$command" in
    "") words="${names} --help --version" ;;
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ "$files" = 1 ] && [ "\${word#-}" = "$word" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _store store`;
}

function zsh(commands: readonly CommandSpec[]): string {
  const quote = (text: string): string =>
    text.replace(/['\\[\]:]/g, (sign) => (sign === "'" ? "'\\''" : `\\${sign}`));
  const list = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`).join('\n');
  const cases = commands.map((spec) => {
    const options = visible(spec).map((option) => {
      const argument = takesValue(option) ? `:value:${zshValues(option)}` : '';
      return `'${option.isList === true ? '*' : ''}${longFlag(option)}[${quote(option.help)}]${argument}'`;
    });
    const operands = spec.completes === 'files' ? "'*:file:_files'" : `'*:word:(${operandWords(spec)})'`;
    return `    ${spec.name}) _arguments ${[...options, operands].join(' ')} ;;`;
  });
  return `#compdef store
_store() {
  local -a commands
  commands=(
${list}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="\${words[2]}"
  shift words; (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _store store`;
}

function zshValues(option: OptionSpec): string {
  if (option.choices !== undefined) return `(${option.choices.join(' ')})`;
  return /<(folder|file)>/.test(option.flags) ? '_files' : ' ';
}

function fish(commands: readonly CommandSpec[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = ['# fish completion of store', 'complete -c store -f'];
  for (const spec of commands) {
    const used = `'__fish_seen_subcommand_from ${spec.name}'`;
    lines.push(`complete -c store -n __fish_use_subcommand -a ${spec.name} -d ${quote(spec.summary)}`);
    for (const option of visible(spec)) {
      const choices = option.choices === undefined ? '' : ` -a '${option.choices.join(' ')}'`;
      const value = takesValue(option) ? ` -r${choices}` : '';
      lines.push(
        `complete -c store -n ${used} -l ${longFlag(option).slice(2)}${value} -d ${quote(option.help)}`,
      );
    }
    if (spec.completes === 'files') lines.push(`complete -c store -n ${used} -F`);
    else if (spec.completes !== undefined)
      lines.push(`complete -c store -n ${used} -a '${operandWords(spec)}'`);
  }
  return lines.join('\n');
}
