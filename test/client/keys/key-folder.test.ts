import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { StoreError } from '../../../src/base/errors.ts';
import type { KeyFile } from '../../../src/client/keys/key-file.ts';
import {
  keyNames,
  readDefaultName,
  readKey,
  removeKeyFiles,
  replaceKey,
  writeDefaultName,
  writeNewKey,
} from '../../../src/client/keys/key-folder.ts';
import { defaultNamePath, keyFolder, keyPath, ownerKeyPath } from '../../../src/client/keys/key-paths.ts';
import { nativeSigner } from '../../../src/runtime/crypto.ts';
import { systemFiles } from '../../../src/runtime/files.ts';
import { createIdentity } from '../../../src/runtime/identity.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { seededChance, SimulatedDisk, systemError } from '../../runtime/simulated-disk.ts';

let home: string;
beforeEach(async () => {
  home = join(await mkdtemp(join(tmpdir(), 'holdfast-key-folder-')), 'home');
});
afterEach(() => rm(join(home, '..'), { recursive: true, force: true }));

function keyOf(name: string, fill: number): KeyFile {
  const seed = new Uint8Array(32).fill(fill);
  return { name, publicKey: nativeSigner(seed).publicKey, createdAtMs: 1_700_000_000_000, seed };
}

const seedOf = (file: KeyFile | undefined): string | undefined =>
  file !== undefined && 'seed' in file ? toHex(file.seed) : undefined;

describe('a key file', () => {
  test('and its folder are for their owner alone', async () => {
    const path = await writeNewKey(home, keyOf('alice', 1));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(keyFolder(home))).mode & 0o777).toBe(0o700);
    await replaceKey(home, keyOf('alice', 2));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeDefaultName(home, 'alice');
    expect((await readdir(keyFolder(home))).sort()).toEqual(['alice.json', 'default']);
  });

  test('that others can read, or that is a link, is not read', async () => {
    const path = await writeNewKey(home, keyOf('alice', 1));
    await chmod(path, 0o644);
    const open = await expectCodeAsync('INVALID_IDENTITY', readKey(home, 'alice'));
    expect(open.next).toContain('chmod 600');
    await chmod(path, 0o600);
    await symlink(path, keyPath(home, 'bob'));
    await expectCodeAsync('DISK', readKey(home, 'bob'));
  });

  test('is never overwritten by a new one', async () => {
    await writeNewKey(home, keyOf('alice', 1));
    await expectCodeAsync('ALREADY_EXISTS', writeNewKey(home, keyOf('alice', 2)));
    expect(seedOf((await readKey(home, 'alice'))?.file)).toBe('01'.repeat(32));
  });

  test('made by several at once is that of one of them, and the others are told', async () => {
    for (let round = 0; round < 25; round++) {
      const outcomes = await Promise.allSettled(
        [1, 2, 3, 4].map((fill) => writeNewKey(home, keyOf('alice', fill))),
      );
      const won = outcomes.findIndex(({ status }) => status === 'fulfilled');
      expect(seedOf((await readKey(home, 'alice'))?.file)).toBe(`0${won + 1}`.repeat(32));
      const refused = outcomes.flatMap((each) =>
        each.status === 'rejected' ? [(each.reason as StoreError).code] : [],
      );
      expect(refused).toEqual(['ALREADY_EXISTS', 'ALREADY_EXISTS', 'ALREADY_EXISTS']);
      expect(await readdir(keyFolder(home))).toEqual(['alice.json']);
      await removeKeyFiles(home, 'alice');
    }
  });

  test.each(['../evil', 'a/b', '', '.hidden', 'UPPER', 'x'.repeat(65), 'a b', 'é'])(
    'cannot be called %j',
    async (name) => {
      await expectCodeAsync('INVALID_ARGUMENT', readKey(home, name));
      await expectCodeAsync('INVALID_ARGUMENT', removeKeyFiles(home, name));
      await expectCodeAsync('INVALID_ARGUMENT', writeDefaultName(home, name));
    },
  );

  test('is found among other files, which are none', async () => {
    expect(await keyNames(home)).toEqual([]);
    await writeNewKey(home, keyOf('zoe', 1));
    await writeNewKey(home, keyOf('al.ice-2', 1));
    for (const name of ['.zoe.json.00.tmp', 'notes.txt', 'UP.json', 'default']) {
      await writeFile(join(keyFolder(home), name), '');
    }
    expect(await keyNames(home)).toEqual(['al.ice-2', 'zoe']);
  });
});

describe('the key of the first put', () => {
  test('is the key default, readable where it always was', async () => {
    const { signer } = await createIdentity(ownerKeyPath(home));
    expect(await keyNames(home)).toEqual(['default']);
    const found = await readKey(home, 'default');
    expect(found?.path).toBe(ownerKeyPath(home));
    expect(found?.file.publicKey).toEqual(signer.publicKey);
    expect(Math.abs(Date.now() - found!.file.createdAtMs)).toBeLessThan(60_000);
    await expectCodeAsync('ALREADY_EXISTS', writeNewKey(home, keyOf('default', 1)));
  });

  test('goes away only when the file that replaces it is there', async () => {
    const { signer, secretSeed } = await createIdentity(ownerKeyPath(home));
    const file = { ...keyOf('default', 1), publicKey: signer.publicKey, seed: secretSeed() };
    const dying = { ...systemFiles, remove: () => Promise.reject(systemError('EIO')) };
    await expectCodeAsync('DISK', replaceKey(home, file, dying));
    // Both are there: the plain one is what is told of.
    expect((await readKey(home, 'default'))?.path).toBe(ownerKeyPath(home));
    await replaceKey(home, file);
    expect((await readKey(home, 'default'))?.path).toBe(keyPath(home, 'default'));
    expect(await readdir(home)).toEqual(['keys']);
  });

  test('beside another key default is refused: neither is taken for the other', async () => {
    await mkdir(home, { recursive: true });
    await writeNewKey(home, keyOf('default', 1));
    await createIdentity(ownerKeyPath(home));
    const error = await expectCodeAsync('INVALID_IDENTITY', readKey(home, 'default'));
    expect(error.message).toContain('two keys of one name');
  });

  test('that is removed is removed in both places', async () => {
    const { signer, secretSeed } = await createIdentity(ownerKeyPath(home));
    const file = { ...keyOf('default', 1), publicKey: signer.publicKey, seed: secretSeed() };
    await replaceKey(home, file);
    await writeFile(ownerKeyPath(home), 'anything', { mode: 0o600 });
    await removeKeyFiles(home, 'default');
    expect(await keyNames(home)).toEqual([]);
  });
});

describe('the choice of the default', () => {
  test('is one name, and damage is told', async () => {
    expect(await readDefaultName(home)).toBeUndefined();
    await writeDefaultName(home, 'alice');
    expect(await readDefaultName(home)).toBe('alice');
    expect(await readFile(defaultNamePath(home), 'utf8')).toBe('alice\n');
    for (const content of ['', '../x', 'a\nb\n']) {
      await writeFile(defaultNamePath(home), content);
      await expectCodeAsync('INVALID_CONFIG', readDefaultName(home));
    }
  });
});

// ---- A power cut at every operation of the disk, with every seed losing other unsynced parts ---------------------

/** What `change` leaves behind when the power is cut before operation `cutAt`, or undefined when it ended before. */
async function afterCut(
  prepare: (disk: SimulatedDisk) => Promise<unknown>,
  change: (disk: SimulatedDisk) => Promise<unknown>,
  cutAt: number,
  seed: number,
): Promise<SimulatedDisk | undefined> {
  const disk = new SimulatedDisk();
  await prepare(disk);
  let operations = 0;
  disk.hook = () => (++operations === cutAt ? disk.cut() : undefined);
  const hasEnded = await change(disk).then(
    () => true,
    () => false,
  );
  return hasEnded ? undefined : disk.restart(seededChance(seed), true);
}

/** Runs `check` on every outcome; the number of operations that were cut. */
async function atEveryCut(
  prepare: (disk: SimulatedDisk) => Promise<unknown>,
  change: (disk: SimulatedDisk) => Promise<unknown>,
  check: (disk: SimulatedDisk) => Promise<void>,
): Promise<number> {
  for (let cutAt = 1; ; cutAt++) {
    for (let seed = 0; seed < 8; seed++) {
      const left = await afterCut(prepare, change, cutAt, seed);
      if (left === undefined) return cutAt - 1;
      await check(left);
    }
  }
}

describe('a power cut', () => {
  const nothing = async (): Promise<void> => undefined;

  test('while a key is made leaves no key, or the key', async () => {
    const cuts = await atEveryCut(
      nothing,
      (disk) => writeNewKey('/home', keyOf('alice', 7), disk),
      async (disk) => {
        const seed = seedOf((await readKey('/home', 'alice', disk))?.file);
        expect([undefined, '07'.repeat(32)]).toContain(seed);
        if (seed === undefined) await writeNewKey('/home', keyOf('alice', 8), disk);
        else await replaceKey('/home', keyOf('alice', 8), disk);
        // Nothing of a secret stays behind under another name.
        expect(disk.paths()).toEqual(['/home/keys/alice.json']);
      },
    );
    expect(cuts).toBeGreaterThan(3);
  });

  test('while a key is replaced leaves the old one or the new one', async () => {
    const seen = new Set<string | undefined>();
    const cuts = await atEveryCut(
      (disk) => writeNewKey('/home', keyOf('alice', 1), disk),
      (disk) => replaceKey('/home', keyOf('alice', 2), disk),
      async (disk) => {
        const seed = seedOf((await readKey('/home', 'alice', disk))?.file);
        expect(['01'.repeat(32), '02'.repeat(32)]).toContain(seed);
        seen.add(seed);
      },
    );
    expect(cuts).toBeGreaterThan(3);
    expect(seen.size).toBe(2);
  });

  test('while another default is chosen leaves the old choice or the new one', async () => {
    await atEveryCut(
      (disk) => writeDefaultName('/home', 'alice', disk),
      (disk) => writeDefaultName('/home', 'bob', disk),
      async (disk) => expect(['alice', 'bob']).toContain(await readDefaultName('/home', disk)),
    );
  });
});
