import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { checkTarget } from '../../cli/get-target.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-target-'));
const folder = join(root, 'folder');
const path = join(folder, 'file');
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});

const bytes = new TextEncoder().encode('verified');

test('the file has its name only when it is finished', async () => {
  const target = await (await checkTarget(path, false)).open();
  await target.write(bytes);
  expect(existsSync(path)).toBe(false);
  await target.finish();
  await target.discard();
  expect(readFileSync(path, 'utf8')).toBe('verified');
  expect(readdirSync(folder)).toEqual(['file']);
});

test('a failure leaves nothing behind', async () => {
  const target = await (await checkTarget(path, false)).open();
  await target.write(bytes);
  await target.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test('an existing file is refused before anything is opened, and replaced by force', async () => {
  writeFileSync(path, 'old');
  await expect(checkTarget(path, false)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  const target = await (await checkTarget(path, true)).open();
  await target.write(bytes);
  expect(readFileSync(path, 'utf8')).toBe('old');
  await target.finish();
  expect(readFileSync(path, 'utf8')).toBe('verified');
});

test('a file that appears meanwhile is not overwritten', async () => {
  const target = await (await checkTarget(path, false)).open();
  await target.write(bytes);
  writeFileSync(path, 'somebody else');
  await expect(target.finish()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(readFileSync(path, 'utf8')).toBe('somebody else');
  expect(readdirSync(folder)).toEqual(['file']);
});

test('a link in place of the file is replaced by force, its target is left alone', async () => {
  const elsewhere = join(root, 'elsewhere');
  writeFileSync(elsewhere, 'keep');
  symlinkSync(elsewhere, path);
  await expect(checkTarget(path, false)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  const target = await (await checkTarget(path, true)).open();
  await target.write(bytes);
  await target.finish();
  expect(readFileSync(elsewhere, 'utf8')).toBe('keep');
  expect(lstatSync(path).isSymbolicLink()).toBe(false);
});

test('a dangling link counts as existing: nothing is created through it', async () => {
  symlinkSync(join(root, 'not-yet'), path);
  await expect(checkTarget(path, false)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('a directory and a missing folder are refused by name', async () => {
  await expect(checkTarget(folder, true)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: `cannot write ${folder}: it is a directory`,
  });
  await expect(checkTarget(join(folder, 'no', 'file'), false)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a device is written to directly, and a full one is a disk error that names it', async () => {
  const target = await (await checkTarget('/dev/full', false)).open();
  await expect(target.write(bytes)).rejects.toMatchObject({
    code: 'DISK',
    message: 'cannot write /dev/full: the disk is full',
  });
  await target.discard();
  expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true);
});
