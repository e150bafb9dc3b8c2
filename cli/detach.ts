// `store up --detach`: the same command once more, in the background, until its network serves.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrorCode, StoreError } from '../src/base/errors.ts';
import { systemFiles } from '../src/runtime/files.ts';
import type { Context } from './command.ts';
import { readRunning, untilRunning } from './local-folder.ts';
import { mainPath } from './node-process.ts';

/** What the user asked of `up`. */
interface Wanted {
  readonly nodes: number | undefined;
  readonly hasHttp: boolean;
}

/** Resolves when the network in `folder` serves. Throws what the background process says when it fails. */
export async function detach(context: Context, folder: string, wanted: Wanted): Promise<undefined> {
  const { output, signal } = context;
  await systemFiles.makeDirectory(folder);
  const answerPath = join(folder, 'up.json');
  const child = spawnBehind(context.home, folder, answerPath, wanted);
  const exited = new Promise<void>((resolve) =>
    child.on('exit', () => resolve()).on('error', () => resolve()),
  );
  output.live('starting ...');
  const isRunning = await untilRunning(folder, child.pid ?? 0, exited, signal);
  const text = readFileSync(answerPath, 'utf8');
  if (!isRunning) {
    child.kill();
    throw failureOf(text, folder, signal.aborted);
  }
  child.unref();
  const { pid, nodes: running } = readRunning(folder)!;
  output.result(undefined, JSON.parse(text) as Record<string, unknown>);
  output.note(`local network of ${running.length} nodes runs in ${folder} as process ${pid}`);
  output.note('try:  store put FILE      stop:  store down');
  return undefined;
}

function spawnBehind(
  home: string,
  folder: string,
  answerPath: string,
  { nodes, hasHttp }: Wanted,
): ChildProcess {
  const answer = openSync(answerPath, 'w', 0o600);
  const log = openSync(join(folder, 'up.log'), 'a', 0o600);
  const count = nodes === undefined ? [] : ['--nodes', String(nodes)];
  const args = [
    ...process.execArgv,
    mainPath(),
    'up',
    '--dir',
    folder,
    '--home',
    home,
    '--json',
    ...count,
    ...(hasHttp ? ['--http'] : []),
  ];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', answer, log],
    env: { ...process.env, HOLDFAST_DETACH: 'false' },
  });
  closeSync(answer);
  closeSync(log);
  return child;
}

function failureOf(text: string, folder: string, isAborted: boolean): StoreError {
  if (isAborted) return new StoreError('ABORTED', 'interrupted before the network served');
  const { error } = JSON.parse(text || '{}') as { error?: { code: string; message: string; next: string } };
  return new StoreError(
    isErrorCode(error?.code) ? error.code : 'INTERNAL',
    error?.message ?? 'the local network ended before it served',
    { next: error?.next ?? `Its log is ${join(folder, 'up.log')}.` },
  );
}
