// A local network of real node processes for the tests of one file, as `store up` starts it, with a home that knows it.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cleanEnvironment, STORE } from '../../scripts/demo/store-command.ts';

interface UpJson {
  readonly nodes: readonly { readonly node: string; readonly pid: number; readonly folder: string }[];
}

export interface LocalNetwork {
  /** Everything of the test lies here; it goes with the network. */
  readonly root: string;
  readonly home: string;
  readonly nodes: UpJson['nodes'];
  /** Another home that knows the network, and has no key. */
  newHome(name: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startLocalNetwork(nodes: number): Promise<LocalNetwork> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-network-'));
  const home = join(root, 'home');
  const args = [STORE, 'up', '--nodes', String(nodes), '--dir', join(root, 'nodes'), '--json'];
  const env = { ...cleanEnvironment(), HOLDFAST_HOME: home };
  const network = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const running = JSON.parse(await firstLine(network)) as UpJson;
  return {
    root,
    home,
    nodes: running.nodes,
    newHome: async (name) => {
      const other = join(root, name);
      mkdirSync(other, { mode: 0o700 });
      await copyFile(join(home, 'network.json'), join(other, 'network.json'));
      return other;
    },
    stop: async () => {
      if (network.exitCode === null) {
        network.kill('SIGTERM');
        await new Promise((resolve) => network.once('exit', resolve));
      }
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Throws what `up` says when it ends. */
function firstLine(network: ChildProcess): Promise<string> {
  let said = '';
  network.stderr!.on('data', (text: Buffer) => (said += text.toString()));
  return new Promise((resolve, reject) => {
    createInterface({ input: network.stdout! }).once('line', resolve);
    network.once('exit', (code) => reject(new Error(`store up ended with ${code}: ${said}`)));
  });
}
