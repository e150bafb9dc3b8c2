// The command tree: every command once, turned into commander's parser. Parsing stays commander's; values, their
// sources and every refusal's wording are ours.

import { Command, CommanderError, Option } from 'commander';
import { StoreError } from '../src/base/errors.ts';
import { isNegated, type OptionSpec, optionKey, optionName } from './args.ts';
import { block } from './block.ts';
import { type CommandSpec, COMMON_OPTIONS } from './command.ts';
import { bucket } from './bucket.ts';
import { completion } from './completion.ts';
import { cp } from './cp.ts';
import { down } from './down.ts';
import { drill } from './drill.ts';
import { epoch } from './epoch.ts';
import { explain } from './explain.ts';
import { get } from './get.ts';
import { health } from './health.ts';
import { help } from './help.ts';
import { init } from './init.ts';
import { invite } from './invite.ts';
import { join } from './join.ts';
import { keys } from './keys.ts';
import { leave } from './leave.ts';
import { ls } from './ls.ts';
import { mv } from './mv.ts';
import { network } from './network.ts';
import { node } from './node.ts';
import { plan } from './plan.ts';
import { prove } from './prove.ts';
import { put } from './put.ts';
import { rm } from './rm.ts';
import type { Raw } from './settings.ts';
import { shards } from './shards.ts';
import { sim } from './sim.ts';
import { stake } from './stake.ts';
import { stat } from './stat.ts';
import { status } from './status.ts';
import { tx } from './tx.ts';
import { up } from './up.ts';
import { validators } from './validators.ts';
import { verify } from './verify.ts';
import { version } from './version.ts';

export const COMMANDS: readonly CommandSpec[] = [
  up,
  down,
  put,
  get,
  ls,
  stat,
  health,
  explain,
  prove,
  verify,
  rm,
  mv,
  cp,
  bucket,
  init,
  invite,
  join,
  leave,
  node,
  status,
  network,
  validators,
  epoch,
  shards,
  block,
  tx,
  stake,
  plan,
  drill,
  sim,
  keys,
  completion,
  version,
  help,
];

const FOOTER = `
Every option can also be set by the environment (--no-wait: HOLDFAST_WAIT=false)
and in config.yaml in the home. "store help exit-codes" lists the exit codes;
docs/cli.md has the rest.`;

/** One command as the user called it, flags still raw text. */
export interface Invocation {
  readonly spec: CommandSpec;
  readonly operands: readonly string[];
  readonly given: Readonly<Record<string, Raw>>;
}

/** Options of a command, the common ones included. */
export function optionsOf(spec: CommandSpec): readonly OptionSpec[] {
  return [...spec.options, ...COMMON_OPTIONS];
}

/** Names of the settings that `config.yaml` may hold, by command. */
export function settingNames(): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(COMMANDS.map((spec) => [spec.name, new Set(optionsOf(spec).map(optionName))]));
}

/** The parser; `invoke` is called for the command that the user named. */
export function buildProgram(invoke: (invocation: Invocation) => Promise<void>): Command {
  const program = new Command('store');
  program
    .description(
      'Store files on machines that need not trust each other: encrypted, erasure-coded, verified.',
    )
    .usage('<command> [options]')
    .enablePositionalOptions()
    .helpCommand(false)
    .option('-V, --version', 'print the version')
    .addHelpText('after', FOOTER);
  for (const option of COMMON_OPTIONS) program.addOption(commanderOption(option));
  for (const spec of COMMANDS) addCommand(program, spec, invoke);
  silence(program);
  return program;
}

/** The text of `store --help`, or of one command's help. */
export function helpText(name?: string): string {
  const program = buildProgram(async () => undefined);
  if (name === undefined) return program.helpInformation() + FOOTER;
  const command = program.commands.find((each) => each.name() === name)!;
  const details = COMMANDS.find((each) => each.name === name)?.details;
  return command.helpInformation() + (details === undefined ? '' : `\n${details}`);
}

/** Raw flags of a command line, those given in front of the command included. */
function givenFlags(program: Command, command: Command, options: readonly OptionSpec[]): Record<string, Raw> {
  const given: Record<string, Raw> = {};
  for (const option of options) {
    const key = optionKey(optionName(option));
    for (const source of [program, command]) {
      if (source.getOptionValueSource(key) === 'cli') given[key] = source.getOptionValue(key) as Raw;
    }
  }
  return given;
}

function addCommand(
  program: Command,
  spec: CommandSpec,
  invoke: (invocation: Invocation) => Promise<void>,
): void {
  const command = program.command(`${spec.name} ${spec.operands}`.trim()).description(spec.summary);
  const options = optionsOf(spec);
  for (const option of options) command.addOption(commanderOption(option));
  if (spec.details !== undefined) command.addHelpText('after', `\n${spec.details}`);
  command.allowExcessArguments(false);
  command.action(async (...parsed: unknown[]) => {
    const operands = parsed
      .slice(0, -2)
      .flat()
      .filter((each) => each !== undefined) as string[];
    await invoke({ spec, operands, given: givenFlags(program, command, options) });
  });
}

function commanderOption(spec: OptionSpec): Option {
  const text = spec.fallback === undefined ? spec.help : `${spec.help} (default: ${spec.fallback})`;
  const option = new Option(spec.flags, text);
  if (spec.isHidden === true) option.hideHelp();
  if (spec.isList === true) {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  }
  if (isNegated(spec)) option.default(undefined);
  return option;
}

/** Failures are thrown, not printed, and the process is not ended. */
function silence(program: Command): void {
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined });
    command.showSuggestionAfterError(true);
  }
}

/** A parser's complaint as our error; undefined when it was no failure (help was shown). */
export function usageError(error: CommanderError): StoreError | undefined {
  if (error.exitCode === 0) return undefined;
  const [first, ...more] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = more.join(' ').replace(/^\((.*)\)$/, '$1');
  return new StoreError('INVALID_ARGUMENT', first!, {
    next: suggestion === '' ? 'See "store --help" and "store COMMAND --help".' : suggestion,
  });
}

export { CommanderError };
