import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openKeyValue } from '../../src/runtime/key-value.ts';
import { keyValueSuite } from '../suites/key-value.ts';
import { codeOf, filled } from './log-harness.ts';

let root: string;
let folders = 0;
const newFolder = (): string => join(root, `store-${folders++}`);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-key-value-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

keyValueSuite('Level', () => openKeyValue(newFolder()));

const key = (n: number): Uint8Array => new Uint8Array([n >> 8, n]);

/** A folder with `count` entries of 100 bytes in table files. */
async function filledFolder(count: number): Promise<string> {
  const folder = newFolder();
  const store = await openKeyValue(folder);
  for (let n = 0; n < count; n++) {
    await store.batch([{ kind: 'put', key: key(n), value: filled(100, n) }]);
  }
  await store.flush();
  await store.close();
  return folder;
}

test('entries are there again after close and open', async () => {
  const store = await openKeyValue(await filledFolder(50));
  for (let n = 0; n < 50; n++) expect(await store.get(key(n))).toEqual(filled(100, n));
  await store.close();
});

test('a folder in use is LOCKED', async () => {
  const folder = newFolder();
  const store = await openKeyValue(folder);
  const second = openKeyValue(folder);
  await expect(second).rejects.toMatchObject({ code: 'LOCKED' });
  await expect(second).rejects.toThrow(folder);
  await store.close();
  await (await openKeyValue(folder)).close();
});

test('a folder is made with mode 0700', async () => {
  const folder = newFolder();
  await (await openKeyValue(folder)).close();
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test('a file in place of the folder is a DISK error', async () => {
  const folder = newFolder();
  await writeFile(folder, 'x');
  expect(await codeOf(openKeyValue(folder))).toBe('DISK');
});

test('a bit that turns over anywhere in a table is never returned as a value', async () => {
  const folder = await filledFolder(40);
  const table = (await readdir(folder)).find((name) => name.endsWith('.ldb'))!;
  const path = join(folder, table);
  const whole = await readFile(path);
  let caught = 0;
  for (let at = 3; at < whole.length; at += 41) {
    const spoiled = Buffer.from(whole);
    spoiled[at]! ^= 1 << (at % 8);
    await writeFile(path, spoiled);
    const opening = openKeyValue(folder);
    const code = await codeOf(opening);
    expect(['none', 'DAMAGED', 'DISK']).toContain(code);
    if (code !== 'none') continue;
    const store = await opening;
    for (let n = 0; n < 40; n++) {
      const reading = store.get(key(n));
      const readCode = await codeOf(reading);
      expect(['none', 'DAMAGED']).toContain(readCode);
      if (readCode === 'DAMAGED') caught++;
      else if ((await reading) !== undefined) expect(await reading).toEqual(filled(100, n));
    }
    await store.close();
  }
  expect(caught).toBeGreaterThan(10);
});

test.each(['CURRENT', 'MANIFEST', '.ldb'])('a store without its %s is DAMAGED, not empty', async (part) => {
  const folder = await filledFolder(10);
  for (const name of await readdir(folder)) if (name.includes(part)) await unlink(join(folder, name));
  const opening = openKeyValue(folder);
  const code = await codeOf(opening);
  if (part !== 'CURRENT') {
    expect(code).toBe('DAMAGED');
    return;
  }
  // LevelDB takes a folder without CURRENT for a new one; who keeps data in it checks for a row that must be there.
  expect(code).toBe('none');
  await (await opening).close();
});
