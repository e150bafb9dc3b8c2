// Secrets typed at a terminal, without echo. The terminal is asked itself (/dev/tty), so that standard input may be
// the data of a put; nobody is asked when standard error is no terminal: then nobody would see the question.

import { openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { StoreError } from '../src/base/errors.ts';

export interface Terminal {
  readonly input: NodeJS.ReadableStream & {
    setRawMode(isRaw: boolean): unknown;
    unshift(chunk: Uint8Array): void;
  };
  write(text: string): void;
  close(): void;
}

/** The terminal of whoever runs us; undefined where there is none. */
export function openTerminal(): Terminal | undefined {
  if (!process.stderr.isTTY) return undefined;
  const write = (text: string): void => void process.stderr.write(text);
  if (process.stdin.isTTY) return { input: process.stdin, write, close: () => void process.stdin.pause() };
  try {
    const input = new ReadStream(openSync('/dev/tty', 'r+'));
    return { input, write, close: () => void input.destroy() };
  } catch {
    return undefined;
  }
}

const [INTERRUPT, END, BACKSPACE, DELETE, KILL_LINE] = [0x03, 0x04, 0x08, 0x7f, 0x15];
/** What arrow keys send, and terminals around pasted text. */
// oxlint-disable-next-line no-control-regex
const ESCAPE_SEQUENCES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|O.|.)?/g;

/** One line, unseen, of at most `lengthMax` bytes. Throws ABORTED (Ctrl-C, end of input), INVALID_ARGUMENT when it is longer. */
export async function askSecret(
  terminal: Terminal,
  question: string,
  lengthMax: number,
  signal?: AbortSignal,
): Promise<string> {
  signal?.throwIfAborted();
  const { input } = terminal;
  input.setRawMode(true);
  terminal.write(question);
  const line: number[] = [];
  try {
    await readLine(input, line, lengthMax, signal);
    return Buffer.from(line).toString('utf8').replace(ESCAPE_SEQUENCES, '');
  } finally {
    line.fill(0);
    input.setRawMode(false);
    input.pause();
    terminal.write('\n');
  }
}

function readLine(
  input: Terminal['input'],
  line: number[],
  lengthMax: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void): void => {
      input.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError);
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const onEnd = (): void => end(() => reject(aborted()));
    const onError = (error: unknown): void => end(() => reject(error));
    const onAbort = (): void => end(() => reject(signal!.reason));
    const onData = (chunk: Uint8Array): void => {
      const { used, outcome } = takeKeys(chunk, line, lengthMax);
      if (outcome === 'more') return;
      input.pause();
      end(() => {
        // What was typed ahead is the answer to the next question.
        if (used < chunk.length) input.unshift(Uint8Array.from(chunk.subarray(used)));
        chunk.fill(0);
        if (outcome === 'line') resolve();
        else reject(outcome === 'aborted' ? aborted() : tooLong(lengthMax));
      });
    };
    input.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
    input.resume();
  });
}

type Outcome = 'more' | 'line' | 'aborted' | 'too-long';

/** Applies the keys in `chunk` to `line`, up to the one that ends it. */
function takeKeys(chunk: Uint8Array, line: number[], lengthMax: number): { used: number; outcome: Outcome } {
  for (const [at, key] of chunk.entries()) {
    if (key === 0x0d || key === 0x0a) return { used: at + 1, outcome: 'line' };
    if (key === INTERRUPT || (key === END && line.length === 0)) return { used: at + 1, outcome: 'aborted' };
    if (key === BACKSPACE || key === DELETE) removeCharacter(line);
    else if (key === KILL_LINE) line.fill(0).splice(0);
    else if (key >= 0x20 || key === 0x09 || key === 0x1b) line.push(key);
    if (line.length > lengthMax) return { used: at + 1, outcome: 'too-long' };
  }
  return { used: chunk.length, outcome: 'more' };
}

/** The last character, however many bytes of UTF-8 it has. */
function removeCharacter(line: number[]): void {
  while (line.length > 0 && (line.pop()! & 0xc0) === 0x80);
}

function aborted(): StoreError {
  return new StoreError('ABORTED', 'nothing was typed', { next: 'Run the command again.' });
}

function tooLong(lengthMax: number): StoreError {
  return new StoreError('INVALID_ARGUMENT', `what was typed has more than ${lengthMax} bytes`, {
    next: 'Type what is asked for, and nothing else.',
  });
}
