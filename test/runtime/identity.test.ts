import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import {
  createIdentity,
  ephemeralIdentity,
  identityFromSeed,
  loadIdentity,
  loadOrCreateIdentity,
} from '../../src/runtime/identity.ts';
import { nodeIdFromPeerIdText, peerIdText } from '../../src/runtime/peer-id.ts';
import { syncedPaths } from '../helpers/synced-folders.ts';
import { codeOf } from '../suites/network.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-identity-'));
  path = join(folder, 'keys', 'node.key');
});
afterEach(() => rm(folder, { recursive: true }));

describe('identity file', () => {
  test('the same file gives the same node', async () => {
    const created = await loadOrCreateIdentity(path);
    const loaded = await loadOrCreateIdentity(path);
    expect(loaded.nodeId).toEqual(created.nodeId);
    expect(nativeVerify(created.nodeId, toUtf8('m'), loaded.signer.sign(toUtf8('m')))).toBe(true);
  });

  test('is durable with the folders that were made for it', async () => {
    const deep = join(folder, 'some', 'where', 'node.key');
    const synced = await syncedPaths(() => createIdentity(deep));
    expect(synced.filter((name) => !name.endsWith('.tmp'))).toEqual([
      folder,
      join(folder, 'some'),
      join(folder, 'some', 'where'),
    ]);
  });

  test('only the owner can read it, and nothing else is left behind', async () => {
    await createIdentity(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'keys'))).toEqual(['node.key']);
  });

  test('a file that others can read is refused', async () => {
    await createIdentity(path);
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      await chmod(path, mode);
      expect(await codeOf(loadIdentity(path))).toBe('INVALID_IDENTITY');
    }
  });

  test('any damaged byte is found', async () => {
    await createIdentity(path);
    const intact = await readFile(path);
    for (let index = 0; index < intact.length - 1; index++) {
      const damaged = Buffer.from(intact);
      damaged[index] = damaged[index] === 0x30 ? 0x31 : 0x30;
      await writeFile(path, damaged, { mode: 0o600 });
      expect(await codeOf(loadIdentity(path))).toBe('INVALID_IDENTITY');
    }
  });

  test('empty, cut, long and foreign files are refused, and never replaced', async () => {
    await createIdentity(path);
    const line = await readFile(path, 'latin1');
    for (const text of [
      '',
      line.slice(0, 60),
      line.repeat(20),
      `${line}x`,
      '-----BEGIN PRIVATE KEY-----\n',
    ]) {
      await writeFile(path, text);
      expect(await codeOf(loadOrCreateIdentity(path))).toBe('INVALID_IDENTITY');
      expect(await readFile(path, 'latin1')).toBe(text);
    }
  });

  test('a folder in place of the file is refused', async () => {
    expect(await codeOf(loadIdentity(folder))).toBe('INVALID_IDENTITY');
  });

  test('create does not overwrite, load does not create', async () => {
    expect(await codeOf(loadIdentity(path))).toBe('NOT_FOUND');
    await createIdentity(path);
    expect(await codeOf(createIdentity(path))).toBe('ALREADY_EXISTS');
  });

  test('processes that start at once agree on one identity', async () => {
    const identities = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateIdentity(path)));
    expect(new Set(identities.map((identity) => toHex(identity.nodeId))).size).toBe(1);
  });

  test('printing an identity does not show the secret', () => {
    const seed = new Uint8Array(32).fill(7);
    const shown = inspect(identityFromSeed(seed), { depth: 5 }) + JSON.stringify(identityFromSeed(seed));
    expect(shown).not.toContain('7, 7');
    expect(shown).not.toContain('7,"1":7');
    expect(ephemeralIdentity().nodeId).not.toEqual(ephemeralIdentity().nodeId);
  });
});

describe('peer id', () => {
  test('is the one libp2p derives from the same seed', async () => {
    for (const fill of [1, 2, 3]) {
      const seed = new Uint8Array(32).fill(fill);
      const key = await generateKeyPairFromSeed('Ed25519', seed);
      const { nodeId } = identityFromSeed(seed);
      expect(peerIdText(nodeId)).toBe(peerIdFromPrivateKey(key).toString());
      expect(nodeIdFromPeerIdText(peerIdText(nodeId))).toEqual(nodeId);
    }
  });

  test('text and node id are two forms of the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(nodeIdFromPeerIdText(peerIdText(bytes as NodeId))).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  test('anything else is refused with a typed error', () => {
    const foreign = [
      '',
      '12D3KooW',
      'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
      '0OIl',
      'z'.repeat(100_000),
      'bafzaajaiaejca',
    ];
    for (const text of foreign) {
      expect(() => nodeIdFromPeerIdText(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});
