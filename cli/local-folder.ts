// The folder of a local network (`store up`): one folder a node, and two small files by which other processes talk to the
// one that runs it. Whoever runs it holds the folder's lock; `running.json` says what runs; a file `stop` asks it to end.

import { readFileSync } from 'node:fs';
import { access, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StoreError } from '../src/base/errors.ts';
import { atomicWrite } from '../src/runtime/files.ts';
import { lockFolder } from '../src/runtime/folder-lock.ts';

const POLL_MS = 200;
/** The nodes have ten seconds to stop before they are killed. */
const DOWN_TIMEOUT_MS = 30_000;

export interface RunningNetwork {
  readonly pid: number;
  readonly network: string;
  readonly nodes: readonly {
    readonly node: string;
    readonly pid: number;
    readonly folder: string;
    /** Where it serves HTTP. */
    readonly http?: string;
  }[];
}

/** The folder named, else the one this home ran last, else the folder `local` in the home. */
export function localFolder(home: string, dir: string | undefined): string {
  return resolve(dir ?? lastFolder(home) ?? join(home, 'local'));
}

const lastFolderPath = (home: string): string => join(home, 'local-folder');

/** Makes `folder` the one that `store up` and `store down` of this home mean. */
export async function rememberFolder(home: string, folder: string): Promise<void> {
  await atomicWrite(lastFolderPath(home), new TextEncoder().encode(`${folder}\n`));
}

function lastFolder(home: string): string | undefined {
  try {
    const folder = readFileSync(lastFolderPath(home), 'utf8').trim();
    return folder === '' ? undefined : folder;
  } catch {
    return undefined;
  }
}

const runningPath = (folder: string): string => join(folder, 'running.json');
const stopPath = (folder: string): string => join(folder, 'stop');

export async function writeRunning(folder: string, running: RunningNetwork): Promise<void> {
  await atomicWrite(runningPath(folder), new TextEncoder().encode(`${JSON.stringify(running)}\n`));
}

/** What the last owner of the folder wrote; it may have died since. */
export function readRunning(folder: string): RunningNetwork | undefined {
  try {
    return JSON.parse(readFileSync(runningPath(folder), 'utf8')) as RunningNetwork;
  } catch {
    return undefined;
  }
}

/** Takes away what a former owner left. Only for the holder of the lock. */
export async function clearRunning(folder: string): Promise<void> {
  await rm(runningPath(folder), { force: true });
  await rm(stopPath(folder), { force: true });
}

/** Resolves when somebody asks for the end, or `signal` fires. */
export async function untilStopAsked(folder: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (await isThere(stopPath(folder))) return;
    await pause(POLL_MS, signal);
  }
}

/** True when process `pid` says that its network serves; false when it ended before, or `signal` fired. */
export async function untilRunning(
  folder: string,
  pid: number,
  exited: Promise<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  let hasEnded = false;
  void exited.then(() => {
    hasEnded = true;
  });
  while (!hasEnded && !signal.aborted) {
    if (readRunning(folder)?.pid === pid) return true;
    await pause(POLL_MS / 2, signal);
  }
  return false;
}

/** Asks the owner of the folder to end and waits for it. Throws NOT_FOUND when there is none, TIMEOUT. */
export async function stopOwner(folder: string, signal: AbortSignal): Promise<RunningNetwork | undefined> {
  if (!(await isThere(folder)) || (await isFree(folder))) {
    throw new StoreError('NOT_FOUND', `no local network runs in ${folder}`, {
      next: 'Name its folder with --dir; "store up" starts one.',
    });
  }
  const running = readRunning(folder);
  await atomicWrite(stopPath(folder), new Uint8Array());
  const deadline = performance.now() + DOWN_TIMEOUT_MS;
  while (!(await isFree(folder))) {
    signal.throwIfAborted();
    if (performance.now() > deadline) {
      throw new StoreError(
        'TIMEOUT',
        `the local network in ${folder} did not stop within ${DOWN_TIMEOUT_MS / 1000} s`,
        {
          next: running === undefined ? 'Try again.' : `End process ${running.pid}.`,
        },
      );
    }
    await pause(POLL_MS, signal);
  }
  return running;
}

/** True when nobody holds the folder's lock. */
async function isFree(folder: string): Promise<boolean> {
  try {
    const lock = await lockFolder(folder);
    await lock.release();
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'LOCKED') return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener('abort', end);
  });
}
