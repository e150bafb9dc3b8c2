// The entry of the command line: parses, resolves settings, runs one command, ends with its exit code. Ctrl-C and
// SIGTERM stop a command cleanly; a second one ends it at once.

import { Socket } from 'node:net';
import { StoreError, toStoreError } from '../src/base/errors.ts';
import type { Context } from './command.ts';
import { EXIT } from './errors.ts';
import { createOutput, type Output, type OutputOptions } from './output.ts';
import {
  buildProgram,
  CommanderError,
  helpText,
  type Invocation,
  optionsOf,
  settingNames,
  usageError,
} from './program.ts';
import { checkConfig, homeOf, readConfig, resolveFlags } from './settings.ts';

/** One Ctrl-C may arrive twice: from the terminal, and through the guard that started us. */
const SAME_SIGNAL_MS = 300;
/** A clean stop that takes longer than this is given up. */
const STOP_TIMEOUT_MS = 60_000;

async function main(argv: readonly string[]): Promise<number> {
  if (isVersionAsked(argv))
    return main(['version', ...argv.filter((word) => word !== '-V' && word !== '--version')]);
  if (argv.length === 0) {
    process.stderr.write(`${helpText()}\n`);
    return EXIT.USAGE;
  }
  let exitCode: number = EXIT.OK;
  const program = buildProgram(async (invocation) => {
    exitCode = await run(invocation);
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    const failure = error instanceof CommanderError ? usageError(error) : error;
    if (failure !== undefined) exitCode = earlyOutput(argv).fail(failure);
  }
  return exitCode;
}

async function run({ spec, operands, given }: Invocation): Promise<number> {
  let output = createOutput(outputOptions(given));
  try {
    const home = homeOf(given['home'] as string | undefined);
    const config = await readConfig(home);
    checkConfig(config, home, settingNames());
    const flags = resolveFlags(spec.name, optionsOf(spec), given, process.env, config, home);
    output = createOutput(outputOptions(flags));
    return (await spec.run(createContext(output, home), operands, flags)) ?? EXIT.OK;
  } catch (error) {
    return output.fail(error);
  }
}

function outputOptions(flags: Readonly<Record<string, unknown>>): OutputOptions {
  return {
    isJson: flags['json'] === true,
    isQuiet: flags['quiet'] === true,
    isProgressWanted: flags['progress'] !== false,
  };
}

/** For failures before the flags were understood. */
function earlyOutput(argv: readonly string[]): Output {
  const end = argv.indexOf('--');
  const isJson =
    (end < 0 ? argv : argv.slice(0, end)).includes('--json') || isSet(process.env['HOLDFAST_JSON']);
  return createOutput({ isJson, isQuiet: false, isProgressWanted: false });
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/i.test(value);
}

function isVersionAsked(argv: readonly string[]): boolean {
  const words = argv.filter((word) => word !== '--json');
  return words.length === 1 && (words[0] === '-V' || words[0] === '--version');
}

function createContext(output: Output, home: string): Context {
  const controller = new AbortController();
  let firstAt = 0;
  const onSignal = (): void => {
    const now = performance.now();
    if (firstAt !== 0 && now - firstAt > SAME_SIGNAL_MS) process.exit(EXIT.INTERRUPTED);
    if (firstAt !== 0) return;
    firstAt = now;
    controller.abort(new StoreError('ABORTED', 'interrupted'));
    setTimeout(() => process.exit(EXIT.INTERRUPTED), STOP_TIMEOUT_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return { output, home, signal: controller.signal };
}

/** The guard holds the other end of a pipe: when it closes, the guard was killed and so are we. */
function followGuard(): void {
  const descriptor = Number(process.env['HOLDFAST_GUARD_FD']);
  delete process.env['HOLDFAST_GUARD_FD'];
  if (!Number.isInteger(descriptor) || descriptor < 3) return;
  try {
    const pipe = new Socket({ fd: descriptor, readable: true, writable: false });
    pipe.on('error', () => undefined);
    pipe.on('close', () => process.kill(process.pid, 'SIGKILL'));
    pipe.resume();
    pipe.unref();
  } catch {
    // Whoever set the variable passed no pipe; then there is nobody to follow.
  }
}

function onDefect(error: unknown): void {
  process.exit(earlyOutput(process.argv.slice(2)).fail(toDefect(error)));
}

function toDefect(error: unknown): unknown {
  const isPipe = (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
  return isPipe || error instanceof StoreError
    ? error
    : toStoreError(error, 'INTERNAL', 'unexpected failure');
}

process.on('uncaughtException', onDefect);
process.on('unhandledRejection', onDefect);
followGuard();
// Ends here whatever a library left running; results were written synchronously.
process.exit(await main(process.argv.slice(2)));
