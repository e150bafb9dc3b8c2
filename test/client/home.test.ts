import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeHome } from '../../src/client/home.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { syncedPaths } from '../helpers/synced-folders.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-home-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test('a home is for its owner alone, and durable with the folders above it', async () => {
  const home = join(root, 'people', 'ann');
  expect(await syncedPaths(() => makeHome(home))).toEqual([root, join(root, 'people')]);
  expect((await stat(home)).mode & 0o777).toBe(0o700);
});

test('a home that cannot be made is a DISK error', async () => {
  await writeFile(join(root, 'file'), '');
  await expectCodeAsync('DISK', makeHome(join(root, 'file')));
  await expectCodeAsync('DISK', makeHome('/proc/holdfast/home'));
});
