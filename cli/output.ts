// Where a command's words go: data to standard output, everything else to standard error. With --json exactly one
// object goes to standard output, whatever happens, and the words for people stay silent except for progress.

import { writeSync } from 'node:fs';
import { styleText } from 'node:util';
import { StoreError } from '../src/base/errors.ts';
import { asStoreError, describe, EXIT, exitCodeOf, reasonOf } from './errors.ts';
import { printable } from './format.ts';

type Style = 'red' | 'green' | 'yellow' | 'bold' | 'dim';

export interface OutputOptions {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly isProgressWanted: boolean;
}

export interface Output {
  readonly isJson: boolean;
  /** A progress line may be drawn on standard error. */
  readonly isLive: boolean;
  /** Characters that a live line may have. */
  readonly columns: number;
  /** A result. People see `text`, or nothing where it is undefined; with --json `value` is the one object. */
  result(text: string | undefined, value: Readonly<Record<string, unknown>>): void;
  /** Something worth knowing on standard error; silent under --quiet. */
  note(text: string): void;
  /** As `note`, but said under --quiet and --json too. */
  warn(text: string): void;
  /** Draws over the current line of the terminal; '' clears it. */
  live(text: string): void;
  style(style: Style, text: string): string;
  /** Prints the failure and returns the exit code. */
  fail(error: unknown): number;
}

export function createOutput(options: OutputOptions): Output {
  const { isJson, isQuiet } = options;
  const isLive = options.isProgressWanted && !isQuiet && isTerminal();
  let isDrawn = false;
  let isReported = false;

  const live = (text: string): void => {
    if (!isLive || (text === '' && !isDrawn)) return;
    isDrawn = text !== '';
    say(`\r\u001b[2K${text.slice(0, columns())}`);
  };
  const line = (text: string): void => {
    live('');
    say(`${text}\n`);
  };
  const style = (name: Style, text: string): string =>
    styleText(name, text, { stream: process.stderr, validateStream: true });

  const reportError = (error: StoreError): void => {
    const { code, message, next } = describe(error);
    if (isJson && !isReported) data(`${JSON.stringify({ error: { code, message, next } })}\n`);
    isReported = true;
    if (isJson) return;
    const reason = reasonOf(error);
    line(`${style('red', 'error:')} ${message}`);
    if (reason !== undefined) line(`${style('dim', 'why:')}   ${reason}`);
    line(`${style('dim', 'next:')}  ${next}`);
    line(`${style('dim', 'code:')}  ${code}`);
  };

  return {
    isJson,
    isLive,
    get columns() {
      return columns();
    },
    result(text, value) {
      live('');
      if (isJson && isReported) return;
      isReported = true;
      if (isJson) data(`${JSON.stringify(value, jsonValue)}\n`);
      else if (text !== undefined) data(`${text}\n`);
    },
    note: (text) => {
      if (!isQuiet && !isJson) line(text);
    },
    warn: (text) => line(`${style('yellow', 'note:')}  ${printable(text)}`),
    live,
    style,
    fail(thrown) {
      if (isBrokenPipe(thrown)) return EXIT.BROKEN_PIPE;
      const error = asStoreError(thrown);
      reportError(error);
      if (process.env['HOLDFAST_DEBUG']) line(debugText(thrown));
      return exitCodeOf(error.code);
    },
  };
}

/** Thrown where writing to standard output failed because its reader went away. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError';
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof BrokenPipeError || (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}

/** Big integers as decimal text: JSON has no other exact form for them. */
function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** The last column stays empty: some terminals wrap when it is used. */
function columns(): number {
  return Math.max(20, (process.stderr.columns || 80) - 1);
}

function isTerminal(): boolean {
  return process.stderr.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb';
}

function debugText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) {
    parts.push(at.stack ?? at.message);
  }
  return parts.length === 0 ? String(error) : parts.join('\ncaused by: ');
}

/** Synchronous, so that nothing is lost when the process exits right after. */
function data(text: string): void {
  writeAll(1, Buffer.from(text));
}

function say(text: string): void {
  try {
    writeAll(2, Buffer.from(text));
  } catch {
    // Nobody reads standard error any more: nothing is left to tell.
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += writeSync(descriptor, bytes, offset);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A pipe set to non-blocking is full: wait a moment for its reader.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else if (code === 'EPIPE') throw new BrokenPipeError('standard output was closed');
      else throw new StoreError('DISK', `cannot write to descriptor ${descriptor}`, { cause: error });
    }
  }
}
