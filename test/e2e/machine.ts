// One machine of the test: a host with a home of its own, on which commands run and a node lives.

import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  cleanEnvironment,
  type CommandResult,
  runStore,
  STORE,
  storeJson,
} from '../../scripts/demo/store-command.ts';
import type { Host } from './namespaces.ts';

const READY_TIMEOUT_MS = 60_000;

export interface Machine {
  readonly host: Host;
  readonly home: string;
  /** Runs `store ARGS` on this host. */
  run(...args: string[]): Promise<CommandResult>;
  json<T>(...args: string[]): Promise<T>;
  /** Starts the node; resolves with its id when it serves. */
  startNode(): Promise<string>;
  /** kill -9. */
  killNode(): Promise<void>;
  stopNode(): Promise<number | null>;
  log(): Promise<string>;
}

export async function makeMachine(host: Host, folder: string): Promise<Machine> {
  const home = join(folder, host.name);
  const logPath = join(home, 'node.log');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const options = { env: { HOLDFAST_HOME: home }, prefix: host.prefix, timeoutMs: 90_000 };
  let node: ChildProcess | undefined;

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const child = node;
    node = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return exited;
  };

  return {
    host,
    home,
    run: (...args) => runStore(args, options),
    json: (...args) => storeJson(args, options),
    async startNode() {
      const [program, ...words] = [...host.prefix, process.execPath, STORE, 'node', '--json'];
      node = spawn(program!, words, {
        env: { ...cleanEnvironment(), HOLDFAST_HOME: home },
        stdio: ['ignore', 'pipe', openSync(logPath, 'a')],
      });
      return firstNodeId(node, host.name);
    },
    killNode: async () => void (await end('SIGKILL')),
    stopNode: () => end('SIGTERM'),
    log: () => readFile(logPath, 'utf8').catch(() => ''),
  };
}

function firstNodeId(child: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the node of ${name} does not serve`)), READY_TIMEOUT_MS);
    createInterface({ input: child.stdout! }).once('line', (line) => {
      clearTimeout(late);
      const { node, error } = JSON.parse(line) as { node?: string; error?: { message: string } };
      if (node === undefined) reject(new Error(`the node of ${name}: ${error?.message}`));
      else resolve(node);
    });
  });
}
