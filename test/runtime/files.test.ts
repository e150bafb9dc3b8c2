import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atomicWrite, readPrivateFile, readWhole, systemFiles } from '../../src/runtime/files.ts';
import { syncedPaths } from '../helpers/synced-folders.ts';
import { codeOf, filled } from './log-harness.ts';
import { seededChance, SimulatedDisk, systemError } from './simulated-disk.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('atomic write', () => {
  test('replaces a file, leaves nothing beside it, and makes it private', async () => {
    const path = join(root, 'config');
    await atomicWrite(path, filled(10, 1));
    await atomicWrite(path, filled(20_000, 2));
    expect(new Uint8Array(await readFile(path))).toEqual(filled(20_000, 2));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readdir(root)).filter((name) => name.includes('config'))).toEqual(['config']);
  });

  test('replaces a symbolic link rather than what it points to', async () => {
    const target = join(root, 'target');
    await writeFile(target, 'untouched');
    await symlink(target, join(root, 'link'));
    await atomicWrite(join(root, 'link'), filled(5, 1));
    expect(await readFile(target, 'utf8')).toBe('untouched');
  });

  test('into a folder that is not there is a DISK error that names the file', async () => {
    const path = join(root, 'nowhere', 'file');
    await expect(atomicWrite(path, filled(5, 1))).rejects.toMatchObject({ code: 'DISK' });
    await expect(atomicWrite(path, filled(5, 1))).rejects.toThrow(path);
  });

  test('cut off anywhere leaves the old bytes or the new ones, whole', async () => {
    const [before, after] = [filled(3000, 1), filled(3000, 2)];
    for (let cutAt = 0; cutAt < 8; cutAt++) {
      for (let seed = 0; seed < 10; seed++) {
        const disk = new SimulatedDisk();
        await atomicWrite('/d/file', before, disk);
        const from = disk.operations;
        disk.hook = () => (disk.operations > from + cutAt ? disk.cut() : undefined);
        const isDone = (await codeOf(atomicWrite('/d/file', after, disk))) === 'none';
        const found = await readWhole('/d/file', 10_000, disk.restart(seededChance(seed), true));
        const isNew = Buffer.compare(found!, after) === 0;
        expect(isNew || Buffer.compare(found!, before) === 0).toBe(true);
        if (isDone) expect(isNew).toBe(true);
      }
    }
  });

  test('whose sync fails leaves the old file and no other', async () => {
    const disk = new SimulatedDisk();
    await atomicWrite('/d/file', filled(10, 1), disk);
    disk.hook = ({ kind }) => {
      if (kind === 'sync') throw systemError('EIO');
      return undefined;
    };
    expect(await codeOf(atomicWrite('/d/file', filled(10, 2), disk))).toBe('DISK');
    expect(disk.paths()).toEqual(['/d/file']);
    expect(disk.bytesOf('/d/file')).toEqual(filled(10, 1));
  });
});

describe('private file', () => {
  test('is read when only its owner may', async () => {
    const path = join(root, 'key');
    await atomicWrite(path, filled(32, 3));
    expect(await readPrivateFile(path)).toEqual(filled(32, 3));
  });

  test.each([0o640, 0o604, 0o620, 0o602, 0o610])('of mode %o is refused, with the cure', async (mode) => {
    const path = join(root, `key-${mode}`);
    await writeFile(path, 'secret');
    await chmod(path, mode);
    const reading = readPrivateFile(path);
    await expect(reading).rejects.toMatchObject({
      code: 'INVALID_IDENTITY',
      next: expect.stringContaining('chmod 600'),
    });
    await expect(reading).rejects.not.toThrow('secret');
  });

  test('that is missing, a folder, a link or too long is refused with a fitting code', async () => {
    expect(await codeOf(readPrivateFile(join(root, 'missing')))).toBe('NOT_FOUND');
    await mkdir(join(root, 'folder'), { mode: 0o700 });
    expect(await codeOf(readPrivateFile(join(root, 'folder')))).toBe('DISK');
    await atomicWrite(join(root, 'real'), filled(5, 1));
    await symlink(join(root, 'real'), join(root, 'to-real'));
    expect(await codeOf(readPrivateFile(join(root, 'to-real')))).toBe('DISK');
    await atomicWrite(join(root, 'long'), new Uint8Array(1024 * 1024 + 1));
    expect(await codeOf(readPrivateFile(join(root, 'long')))).toBe('DISK');
  });
});

describe('system files', () => {
  test('create refuses what exists, also a link that points nowhere', async () => {
    await symlink(join(root, 'nothing-there'), join(root, 'dangling'));
    await expect(systemFiles.open(join(root, 'dangling'), 'create')).rejects.toMatchObject({
      code: 'EEXIST',
    });
    await expect(systemFiles.open(root, 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test('writes many parts in one go and reads them back, from shared memory too', async () => {
    const file = await systemFiles.open(join(root, 'parts'), 'create');
    const shared = new Uint8Array(new SharedArrayBuffer(70_000)).fill(9);
    const parts = [filled(0, 1), ...Array.from({ length: 3000 }, (_, n) => filled(n % 50, n)), shared];
    await file.write(parts, 5);
    await file.sync();
    const expected = Buffer.concat(parts);
    const found = new Uint8Array(expected.length + 100);
    expect(await file.read(found, 5)).toBe(expected.length);
    expect(Buffer.compare(found.subarray(0, expected.length), expected)).toBe(0);
    expect(await file.stat()).toEqual({ length: expected.length + 5, mode: 0o600 });
    await file.truncate(7);
    expect((await file.stat()).length).toBe(7);
    await file.close();
  });

  test('folders are made with their parents and mode 0700, twice without harm', async () => {
    const path = join(root, 'a', 'b', 'c');
    await systemFiles.makeDirectory(path);
    await systemFiles.makeDirectory(path);
    for (const folder of ['a', 'a/b', 'a/b/c'])
      expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700);
  });

  test('every folder made is durable in its parent', async () => {
    const path = join(root, 'd', 'e', 'f');
    const parents = [root, join(root, 'd'), join(root, 'd', 'e')];
    expect(await syncedPaths(() => systemFiles.makeDirectory(path))).toEqual(parents);
    expect(await syncedPaths(() => systemFiles.makeDirectory(path))).toEqual([]);
  });

  test('folders are not made where something else is in the way, or where the system has none made', async () => {
    await writeFile(join(root, 'in-the-way'), '');
    await symlink(join(root, 'nowhere'), join(root, 'to-nowhere'));
    for (const [path, code] of [
      [join(root, 'in-the-way'), 'ENOTDIR'],
      [join(root, 'in-the-way', 'x'), 'ENOTDIR'],
      [join(root, 'to-nowhere'), 'EEXIST'],
    ] as const) {
      await expect(systemFiles.makeDirectory(path)).rejects.toMatchObject({ code });
    }
    // Not everywhere: but nowhere may the call go on for ever.
    for (const path of ['/proc/holdfast', '/proc/holdfast/data'])
      await expect(systemFiles.makeDirectory(path)).rejects.toThrow('mkdir');
  });

  test('tell the space of a disk', async () => {
    const { freeBytes, totalBytes } = await systemFiles.space(root);
    expect(totalBytes).toBeGreaterThan(0);
    expect(freeBytes).toBeGreaterThan(0);
    expect(freeBytes).toBeLessThanOrEqual(totalBytes);
  });
});
