// One `store node` as a child process. Its standard input is the leash: when it closes, because we say so or because
// we died in whatever way, the node stops cleanly. Its first line on standard output says that it serves, or why not.
// Its log goes to a file in its own folder.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isErrorCode, StoreError } from '../src/base/errors.ts';
import { printable } from './format.ts';

/** A longer log is moved aside at the next start. */
const LOG_LENGTH_MAX = 16 * 1024 * 1024;
/** How much of a log's end is looked at for the last words of a node that died. */
const LOG_TAIL = 4096;

/** What a serving node says of itself. */
export interface ReadyLine {
  readonly node: string;
  readonly network: string;
  readonly name: string;
  readonly control: readonly string[];
  readonly bulk: readonly string[];
  /** Where HTTP is served; null where it is off. */
  readonly http: string | null;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NodeProcess {
  readonly folder: string;
  readonly pid: number;
  /** Rejects with the node's own error when it ends before it serves, with TIMEOUT after `readyTimeoutMs`. */
  readonly ready: Promise<ReadyLine>;
  readonly exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to stop; kills it when that takes longer than `timeoutMs`. */
  stop(timeoutMs: number): Promise<Exit>;
}

/** The command line's own entry: sources run as they are, the built form beside the built form. */
export function mainPath(): string {
  const isSource = import.meta.url.endsWith('.ts');
  return fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
}

function logPathOf(folder: string): string {
  return join(folder, 'node.log');
}

/** Starts the node of `folder`; `more` are options of `store node`, `flags` of Node itself. */
export function startNodeProcess(
  folder: string,
  readyTimeoutMs: number,
  more: readonly string[] = [],
  flags: readonly string[] = [],
): NodeProcess {
  const log = openLog(logPathOf(folder));
  const own = [...process.execArgv, ...flags];
  const args = [...own, mainPath(), 'node', '--dir', folder, '--json', '--supervised', ...more];
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', log],
    env: childEnvironment(folder),
    // Ctrl-C in the terminal is for the supervisor alone: nodes stop in its order, by their leash.
    detached: process.platform !== 'win32',
  });
  closeSync(log);
  child.stdin!.on('error', () => undefined);
  const exited = new Promise<Exit>((resolve) => {
    child.on('error', () => resolve({ code: 1, signal: null }));
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  const ready = firstLine(child, exited, folder, readyTimeoutMs);
  ready.catch(() => undefined);
  return {
    folder,
    pid: child.pid ?? 0,
    ready,
    exited,
    kill: (signal) => void child.kill(signal),
    stop: (timeoutMs) => stopChild(child, exited, timeoutMs),
  };
}

async function stopChild(child: ChildProcess, exited: Promise<Exit>, timeoutMs: number): Promise<Exit> {
  child.stdin!.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const exit = await exited;
  clearTimeout(timer);
  return exit;
}

/** Settings for the supervisor are not meant for its nodes: each has its own folder and configuration. */
function childEnvironment(folder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('HOLDFAST_') || name === 'HOLDFAST_DEBUG',
  );
  // As bin/store.cjs does for `store node`: one arena of memory for all threads.
  return { MALLOC_ARENA_MAX: '1', ...Object.fromEntries(kept), HOLDFAST_HOME: join(folder, 'home') };
}

function openLog(path: string): number {
  try {
    if (statSync(path).size > LOG_LENGTH_MAX) renameSync(path, `${path}.old`);
  } catch {
    // There is none yet.
  }
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new StoreError('DISK', `cannot write the log ${path}`, { cause: error });
  }
}

function firstLine(
  child: ChildProcess,
  exited: Promise<Exit>,
  folder: string,
  timeoutMs: number,
): Promise<ReadyLine> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new StoreError(
          'TIMEOUT',
          `node ${folder} did not serve within ${timeoutMs / 1000} s`,
          logHint(folder),
        ),
      );
    }, timeoutMs);
    const lines = createInterface({ input: child.stdout! });
    lines.once('line', (line) => {
      clearTimeout(timer);
      try {
        resolve(parseReady(line));
      } catch (error) {
        reject(
          error instanceof StoreError
            ? error
            : new StoreError('INTERNAL', `node ${folder} said: ${printable(line)}`),
        );
      }
    });
    void exited.then((exit) => {
      clearTimeout(timer);
      // Its error line, if there was one, has been read by now or is about to be.
      setTimeout(() => reject(diedEarly(folder, exit)), 50);
    });
  });
}

function parseReady(line: string): ReadyLine {
  const value = JSON.parse(line) as Partial<ReadyLine> & {
    error?: { code: unknown; message: string; next?: string };
  };
  if (value.error !== undefined) {
    const { code, message, next } = value.error;
    throw new StoreError(isErrorCode(code) ? code : 'INTERNAL', message, next === undefined ? {} : { next });
  }
  return value as ReadyLine;
}

function diedEarly(folder: string, { code, signal }: Exit): StoreError {
  const how = signal === null ? `exit code ${code}` : signal;
  const last = lastWords(folder);
  const words = last === '' ? '' : `; its last words: ${last}`;
  return new StoreError(
    'INTERNAL',
    `node ${folder} ended before it served (${how})${words}`,
    logHint(folder),
  );
}

function logHint(folder: string): { next: string } {
  return { next: `Its log is ${logPathOf(folder)}.` };
}

/** The last line of a node's log; '' when there is none. */
export function lastWords(folder: string): string {
  try {
    const file = openSync(logPathOf(folder), 'r');
    try {
      const length = Math.min(LOG_TAIL, fstatSync(file).size);
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, fstatSync(file).size - length);
      return printable(bytes.toString('utf8').trimEnd().split('\n').at(-1) ?? '');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
