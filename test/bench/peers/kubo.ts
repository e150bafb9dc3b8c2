// kubo, when `ipfs` is on the PATH: one offline repository, `ipfs add` and `ipfs cat`.

import { openSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { PeerFigures, TransferFigures } from '../store.ts';
import { childrenCpuSeconds, inTemporaryFolder, isOnPath, run } from './processes.ts';

export async function benchKubo(_nodes: number, lengthBytes: number): Promise<PeerFigures | string> {
  if (!isOnPath('ipfs')) return 'absent (no ipfs on PATH)';
  return inTemporaryFolder(async (folder) => {
    const env = { IPFS_PATH: join(folder, 'repository') };
    const file = join(folder, 'source');
    writeFileSync(file, randomBytes(lengthBytes));
    if (!run('ipfs', ['init', '--empty-repo'], { env }).isOk) return 'absent (ipfs init failed)';
    let cid = '';
    const put = timed(() => {
      const added = run('ipfs', ['add', '--quieter', '--pin=false', file], { env });
      cid = added.stdout.trim();
      return added.isOk;
    });
    const get = timed(() => {
      const out = openSync(join(folder, 'result'), 'w');
      return (
        spawnSync('ipfs', ['cat', cid], { env: { ...process.env, ...env }, stdio: ['ignore', out, 'ignore'] })
          .status === 0
      );
    });
    return put === undefined || get === undefined ? 'failed' : { put, get };
  });
}

function timed(use: () => boolean): TransferFigures | undefined {
  const cpu = childrenCpuSeconds();
  const started = performance.now();
  if (!use()) return undefined;
  return {
    seconds: (performance.now() - started) / 1000,
    clientCpu: childrenCpuSeconds() - cpu,
    nodesCpu: 0,
    clientPeak: 0,
    nodePeak: 0,
  };
}
