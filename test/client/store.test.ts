// Opening a store on a real home: what is missing or damaged is said with the file's name and the next step.

import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileOwnerKey, homeFolder, makeHome } from '../../src/client/home.ts';
import { ownerKeyPath } from '../../src/client/keys/key-paths.ts';
import { readNetworkFile, writeNetworkFile } from '../../src/client/network-file.ts';
import { createStore } from '../../src/client/store.ts';
import type { NetworkDescription } from '../../src/client/types.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const network: NetworkDescription = {
  network: 'ab'.repeat(32),
  name: 'test',
  bootstrap: ['/ip4/127.0.0.1/tcp/9/tls'],
};

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-home-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('network.json', () => {
  test('that does not exist is NOT_FOUND with the three ways to get one', async () => {
    const error = await expectCodeAsync('NOT_FOUND', createStore({ home }));
    expect(error.message).toContain(join(home, 'network.json'));
    for (const way of ['store up', 'store join', 'store init']) expect(error.next).toContain(way);
  });

  test('is read as it was written, with and without a pre-shared key', async () => {
    await writeNetworkFile(home, network);
    expect(await readNetworkFile(home)).toEqual(network);
    await writeNetworkFile(home, { ...network, presharedKeyFile: 'key' });
    expect(await readNetworkFile(home)).toEqual({ ...network, presharedKeyFile: 'key' });
  });

  test('that is damaged is INVALID_CONFIG and names the file', async () => {
    const path = join(home, 'network.json');
    const texts = [
      '',
      '{',
      '[]',
      'null',
      '\uFFFF',
      JSON.stringify({ ...network, network: 'ab' }),
      JSON.stringify({ ...network, name: '' }),
      JSON.stringify({ ...network, bootstrap: 'x' }),
      JSON.stringify({ ...network, bootstrap: ['nonsense'] }),
      JSON.stringify({ ...network, unknown: 1 }),
    ];
    for (const text of texts) {
      await writeFile(path, text);
      const error = await expectCodeAsync('INVALID_CONFIG', createStore({ home }));
      expect(error.message).toContain(path);
    }
    await writeFile(path, new Uint8Array([0xff, 0xfe, 0x7b]));
    await expectCodeAsync('INVALID_CONFIG', createStore({ home }));
    await writeFile(path, 'x'.repeat(100_000));
    await expectCodeAsync('DISK', createStore({ home }));
    await expectCodeAsync('INVALID_CONFIG', createStore({ home, network: { ...network, network: 'x' } }));
  });
});

describe('a store', () => {
  test('opens without asking anybody; a network that does not answer is UNREACHABLE', async () => {
    const store = await createStore({ home, network });
    try {
      await expectCodeAsync('UNREACHABLE', store.network());
      await expectCodeAsync('UNREACHABLE', store.put('x'));
    } finally {
      await store.close();
      await store.close();
    }
    await expectCodeAsync('CLOSED', store.network());
  });

  test('ends with its signal', async () => {
    const abort = new AbortController();
    const store = await createStore({ home, network, signal: abort.signal });
    abort.abort();
    await expect(store.network()).rejects.toMatchObject({ code: 'CLOSED' });
    await store.close();
  });

  test('refuses options that are off', async () => {
    await expectCodeAsync('INVALID_ARGUMENT', createStore({ home, network, lane: 'fast' as 'bulk' }));
    await expectCodeAsync('INVALID_ARGUMENT', createStore({ home, network, memoryBytes: 10 }));
  });

  test('wants the pre-shared key where one is named: present, private and sound', async () => {
    const closed = { ...network, presharedKeyFile: 'psk' };
    await expectCodeAsync('NOT_FOUND', createStore({ home, network: closed }));
    await writeFile(join(home, 'psk'), 'not a key', { mode: 0o600 });
    await expectCodeAsync('INVALID_CONFIG', createStore({ home, network: closed }));
    await writeFile(join(home, 'psk'), 'cd'.repeat(32));
    await chmod(join(home, 'psk'), 0o644);
    await expectCodeAsync('INVALID_IDENTITY', createStore({ home, network: closed }));
    await chmod(join(home, 'psk'), 0o600);
    await (await createStore({ home, network: closed })).close();
  });
});

describe('the owner key', () => {
  test('is made by the first put, private, and stays the same', async () => {
    const owner = fileOwnerKey(home);
    expect(await owner.load()).toBeUndefined();
    const made = await owner.loadOrCreate();
    expect((await stat(ownerKeyPath(home))).mode & 0o777).toBe(0o600);
    expect((await fileOwnerKey(home).load())?.publicKey).toEqual(made.publicKey);
  });

  test('that is damaged or readable by others is INVALID_IDENTITY, and is not replaced', async () => {
    await fileOwnerKey(home).loadOrCreate();
    await chmod(ownerKeyPath(home), 0o640);
    const open = await expectCodeAsync('INVALID_IDENTITY', fileOwnerKey(home).loadOrCreate());
    expect(open.next).toContain('chmod 600');
    await chmod(ownerKeyPath(home), 0o600);
    await writeFile(ownerKeyPath(home), 'rubbish');
    const damaged = await expectCodeAsync('INVALID_IDENTITY', fileOwnerKey(home).load());
    expect(damaged.message).toContain('owner.key');
    expect(damaged.next).not.toContain('node');
  });
});

test('the home is HOLDFAST_HOME, else ~/.holdfast, and nobody else enters it', async () => {
  const before = process.env['HOLDFAST_HOME'];
  try {
    process.env['HOLDFAST_HOME'] = join(home, 'named');
    expect(homeFolder()).toBe(join(home, 'named'));
    expect(homeFolder('/given')).toBe('/given');
    delete process.env['HOLDFAST_HOME'];
    expect(homeFolder()).toMatch(/\.holdfast$/);
  } finally {
    if (before !== undefined) process.env['HOLDFAST_HOME'] = before;
  }
  await makeHome(join(home, 'a', 'b'));
  expect((await stat(join(home, 'a', 'b'))).mode & 0o777).toBe(0o700);
  await writeFile(join(home, 'file'), '');
  await expectCodeAsync('DISK', makeHome(join(home, 'file', 'x')));
});

test('importing the library loads neither the network nor the coder', () => {
  const script = `
    import { createStore, StoreError, ERROR_CODES } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
    console.log(typeof createStore, typeof StoreError, ERROR_CODES.length > 10, process.moduleLoadList.some((name) => /NativeModule (tls|worker_threads)$/.test(name)));
  `;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.stdout.trim()).toBe('function function true false');
});
