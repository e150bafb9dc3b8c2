import { chmod, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { type DataFolder, dataFolder } from '../../src/node/data-folder.ts';
import { makeKeys } from '../../src/node/node-keys.ts';
import { guardPath } from '../../src/node/validator/guard-file.ts';
import { openSigner } from '../../src/node/validator/signer-file.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { systemFiles } from '../../src/runtime/files.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';

let root = '';
let folder: DataFolder;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
  folder = await folderNamed('node');
});
afterEach(() => rm(root, { recursive: true }));

const NETWORK = digestFrom<NetworkId>('network');
const OTHER = digestFrom<NetworkId>('other network');

async function folderNamed(name: string): Promise<DataFolder> {
  const made = dataFolder(join(root, name));
  await systemFiles.makeDirectory(made.path);
  return made;
}

const guardOf = ({ validator }: DataFolder): string => guardPath(join(validator, 'signer'));

/** That a validator could start with the key of the folder. */
async function signs(of: DataFolder, network = NETWORK): Promise<void> {
  const { identity } = await makeKeys(of, network, false);
  const options = { folder: join(of.validator, 'signer'), network, clock: systemClock, identity };
  const { signer, last } = await openSigner(options);
  expect(last).toBeUndefined();
  await signer.close();
}

describe('the secrets of a node', () => {
  test('are its key with a guard, its account and its reveal chain, all private', async () => {
    const keys = await makeKeys(folder, NETWORK, false);
    expect((await readdir(folder.path)).sort()).toEqual([
      'beacon.key',
      'identity.key',
      'operator.key',
      'validator',
    ]);
    for (const name of ['beacon.key', 'identity.key', 'operator.key'])
      expect((await stat(join(folder.path, name))).mode & 0o777).toBe(0o600);
    expect((await stat(folder.validator)).mode & 0o777).toBe(0o700);
    expect((await stat(guardOf(folder))).mode & 0o777).toBe(0o600);
    expect(toHex(keys.account)).toBe(toHex(keys.operator.signer.publicKey));
    expect(toHex(keys.account)).not.toBe(toHex(keys.identity.nodeId));
    await signs(folder);
  });

  test('are the same the second time, and others in another folder', async () => {
    const first = await makeKeys(folder, NETWORK, false);
    const again = await makeKeys(folder, NETWORK, false);
    const other = await makeKeys(await folderNamed('other'), NETWORK, false);
    const facts = ({ identity, account, beacon }: typeof first): string[] =>
      [identity.nodeId, account, beacon.commitment().tip].map(toHex);
    expect(facts(again)).toEqual(facts(first));
    expect(new Set([...facts(first), ...facts(other)]).size).toBe(6);
  });

  test('open to others are refused', async () => {
    await makeKeys(folder, NETWORK, false);
    await chmod(folder.operatorKey, 0o604);
    await expectCodeAsync('INVALID_IDENTITY', makeKeys(folder, NETWORK, false));
  });
});

describe('a guard', () => {
  test('is never made for a key that came from elsewhere', async () => {
    await makeKeys(folder, NETWORK, false);
    const copy = await folderNamed('copy');
    await cp(folder.identityKey, copy.identityKey);
    await makeKeys(copy, NETWORK, false);
    expect(await readdir(copy.path)).not.toContain('validator');
    await expectCodeAsync('INVALID_IDENTITY', signs(copy));
  });

  test('is made for any key in a network that is drawn just now: nobody has signed in it', async () => {
    await makeKeys(folder, NETWORK, false);
    const copy = await folderNamed('copy');
    await cp(folder.identityKey, copy.identityKey);
    await makeKeys(copy, OTHER, true);
    await signs(copy, OTHER);
  });

  test('of a founding that was cut off is moved aside by the next one', async () => {
    const { identity } = await makeKeys(folder, NETWORK, true);
    const guard = await readFile(guardOf(folder));
    expect(toHex((await makeKeys(folder, OTHER, true)).identity.nodeId)).toBe(toHex(identity.nodeId));
    const aside = (await readdir(folder.path)).filter((name) => name.startsWith('validator.old-'));
    expect(aside.length).toBe(1);
    expect(await readFile(join(folder.path, aside[0]!, 'signer', 'guard'))).toEqual(guard);
    await signs(folder, OTHER);
  });

  test('of another network stops whoever joins with that key', async () => {
    await makeKeys(folder, NETWORK, false);
    const before = (await readdir(folder.path, { recursive: true })).sort();
    await expectCodeAsync('WRONG_NETWORK', makeKeys(folder, OTHER, false));
    expect((await readdir(folder.path, { recursive: true })).sort()).toEqual(before);
  });

  test('is there before the key has its name, so a start that was cut off goes on', async () => {
    const { identity } = await makeKeys(folder, NETWORK, false);
    await systemFiles.rename(folder.identityKey, `${folder.identityKey}.new`);
    expect(toHex((await makeKeys(folder, NETWORK, false)).identity.nodeId)).toBe(toHex(identity.nodeId));
    await systemFiles.rename(folder.identityKey, `${folder.identityKey}.new`);
    await rm(folder.validator, { recursive: true });
    await makeKeys(folder, NETWORK, false);
    await signs(folder);
  });

  test('of a key that is gone is not given to the next one', async () => {
    await makeKeys(folder, NETWORK, false);
    await rm(folder.identityKey);
    await makeKeys(folder, NETWORK, false);
    await signs(folder);
    expect((await readdir(folder.path)).filter((name) => name.startsWith('validator.old-')).length).toBe(1);
  });
});
