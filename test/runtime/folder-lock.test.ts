import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FolderLock, lockFolder, type Owner } from '../../src/runtime/folder-lock.ts';
import { codeOf } from './log-harness.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const owner = async (): Promise<Owner> => JSON.parse(await readFile(join(folder, 'LOCK'), 'utf8')) as Owner;
const leave = (name: string, left: Partial<Owner>): Promise<void> =>
  writeFile(
    join(folder, name),
    JSON.stringify({ pid: 4_000_000, started: '1', boot: 'b', token: 'a'.repeat(32), ...left }),
  );

test('a locked folder names its owner to whoever comes second, and is free after release', async () => {
  const lock = await lockFolder(folder);
  expect((await owner()).pid).toBe(process.pid);
  const second = lockFolder(folder);
  await expect(second).rejects.toMatchObject({
    code: 'LOCKED',
    next: expect.stringContaining(String(process.pid)),
  });
  await expect(second).rejects.toThrow(folder);
  await lock.release();
  expect(await readdir(folder)).toEqual([]);
  await (await lockFolder(folder)).release();
});

test.each([
  ['whose process is gone', { pid: 4_194_000 }],
  ['whose process id went to another process', { pid: process.pid, started: '12345' }],
  ['of an earlier boot', { pid: process.pid, boot: 'another boot' }],
])('the lock of an owner %s is taken over', async (_name, left) => {
  const lock = await lockFolder(folder);
  const { started, boot } = await owner();
  await lock.release();
  await leave('LOCK', { started, boot, ...left });
  const next = await lockFolder(folder);
  expect((await owner()).token).not.toBe('a'.repeat(32));
  await next.release();
  expect(await readdir(folder)).toEqual([]);
});

test.each(['', 'rubbish', '{}', '{"pid":1}', 'null'])(
  'a lock file that says %j is taken over',
  async (text) => {
    await writeFile(join(folder, 'LOCK'), text);
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  },
);

test('an heir that died while taking over is inherited from in turn', async () => {
  await leave('LOCK', {});
  await leave(`LOCK.after-${'a'.repeat(32)}`, { token: 'b'.repeat(32) });
  await leave(`LOCK.after-${'b'.repeat(32)}`, { token: 'c'.repeat(32) });
  const lock = await lockFolder(folder);
  expect(await readdir(folder)).toEqual(['LOCK']);
  await lock.release();
});

test('claims of processes that died while locking are swept', async () => {
  await leave('LOCK.claim-x', {});
  await (await lockFolder(folder)).release();
  expect(await readdir(folder)).toEqual([]);
});

test('release leaves the lock of another owner alone', async () => {
  const lock = await lockFolder(folder);
  await leave('LOCK', {});
  await lock.release();
  expect((await owner()).token).toBe('a'.repeat(32));
});

test("of many that want a dead owner's folder at once exactly one gets it", async () => {
  for (let round = 0; round < 20; round++) {
    await leave('LOCK', {});
    const locks: FolderLock[] = [];
    const codes = await Promise.all(
      Array.from({ length: 8 }, () => codeOf(lockFolder(folder).then((lock) => locks.push(lock)))),
    );
    expect(locks.length).toBe(1);
    expect(codes.filter((code) => code === 'LOCKED').length).toBe(7);
    await locks[0]!.release();
    expect(await readdir(folder)).toEqual([]);
  }
});

test('a folder that is not there is a DISK error', async () => {
  expect(await codeOf(lockFolder(join(folder, 'missing')))).toBe('DISK');
});
