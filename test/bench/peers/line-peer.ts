// Other Reed-Solomon libraries as programs that take a line and answer with CPU seconds, and how to get them. They are
// built once into a folder for temporary files. What cannot be had is undefined, and the bench says "absent".

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));

export interface LinePeer {
  /** CPU seconds of `rounds` rounds. */
  ask(operation: string, k: number, n: number, length: number, rounds: number): Promise<number>;
  stop(): void;
}

/** How to start a peer: a command and its arguments. */
export type PeerCommand = readonly [string, ...string[]];

/** Ours, in a process of its own, so that all candidates meet the same conditions. */
export function kernelCommand(mode: 'relaxed' | 'strict' | 'twin' | 'copy'): PeerCommand {
  return [process.execPath, fileURLToPath(new URL('./kernel-peer.ts', import.meta.url)), mode];
}

export async function isalCommand(mode: 'avx2' | 'best'): Promise<PeerCommand | undefined> {
  const binary = join(buildFolder(), 'isal-peer');
  const build = (): Promise<unknown> => run('cc', ['-O2', '-o', binary, join(here, 'isal.c'), '-lisal']);
  return obtained(binary, async () => {
    await build().catch(async () => {
      await run('apt-get', ['install', '-y', '-q', 'libisal-dev'], { timeout: 120_000 });
      await build();
    });
  }).then((isThere) => (isThere ? [binary, mode] : undefined));
}

const KLAUSPOST_VERSION = 'v1.14.2';

export async function klauspostCommand(mode: 'avx2' | 'best'): Promise<PeerCommand | undefined> {
  const folder = join(buildFolder(), 'klauspost');
  const binary = join(folder, 'klauspost-peer');
  const isThere = await obtained(binary, async () => {
    mkdirSync(folder, { recursive: true });
    await copyFile(join(here, 'klauspost.go'), join(folder, 'main.go'));
    const go = (...parameters: string[]): Promise<unknown> =>
      run('go', parameters, { cwd: folder, timeout: 180_000 });
    if (!existsSync(join(folder, 'go.mod'))) await go('mod', 'init', 'klauspost-peer');
    await go('get', `github.com/klauspost/reedsolomon@${KLAUSPOST_VERSION}`);
    await go('build', '-o', binary, '.');
  });
  return isThere ? [binary, mode] : undefined;
}

export async function zfecCommand(): Promise<PeerCommand | undefined> {
  const folder = join(buildFolder(), 'zfec');
  const python = join(folder, 'bin', 'python');
  const isThere = await obtained(join(folder, 'bin', 'zfec'), async () => {
    await run('python3', ['-m', 'venv', folder], { timeout: 120_000 });
    await run(python, ['-m', 'pip', 'install', '-q', 'zfec'], { timeout: 120_000 });
  });
  return isThere ? [python, join(here, 'zfec_peer.py')] : undefined;
}

/** Starts a peer; undefined when it does not come up. */
export async function startPeer(command: PeerCommand): Promise<LinePeer | undefined> {
  const [program, ...parameters] = command;
  const child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'ignore'] });
  const answers = answersOf(child);
  if ((await answers.next()) !== 'ready') return undefined;
  return {
    async ask(operation, k, n, length, rounds) {
      child.stdin.write(`${operation} ${k} ${n} ${length} ${rounds}\n`);
      const answer = await answers.next();
      if (answer === undefined) throw new Error(`${program} ended`);
      return Number(answer);
    },
    stop() {
      child.kill();
    },
  };
}

function answersOf(child: ChildProcess): { next(): Promise<string | undefined> } {
  const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
  const lines: Interface = createInterface({ input: child.stdout! });
  const iterator = lines[Symbol.asyncIterator]();
  return {
    next: () => Promise.race([failed, iterator.next().then(({ value }) => value as string | undefined)]),
  };
}

async function obtained(path: string, build: () => Promise<void>): Promise<boolean> {
  if (existsSync(path)) return true;
  await build().catch(() => undefined);
  return existsSync(path);
}

function buildFolder(): string {
  const folder = join(tmpdir(), `holdfast-bench-peers-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
