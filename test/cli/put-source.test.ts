import { appendFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openSource } from '../../cli/put-source.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-source-'));
const path = join(root, 'file');
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function read(source: Awaited<ReturnType<typeof openSource>>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source.bytes) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

test('a file gives its bytes, its length, and a name for resuming that other paths to it share', async () => {
  const content = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => index % 251));
  writeFileSync(path, content);
  const link = join(root, 'link');
  symlinkSync(path, link);
  const source = await openSource(path);
  const linked = await openSource(link);
  expect(source.lengthBytes).toBe(content.length);
  expect((await read(source)).equals(content)).toBe(true);
  expect(linked.resumeKey).toBe(source.resumeKey);
  expect(await source.hasChanged()).toBe(false);
  appendFileSync(path, 'x');
  expect(await source.hasChanged()).toBe(true);
  const later = await openSource(path);
  expect(later.resumeKey).not.toBe(source.resumeKey);
  await Promise.all([source.close(), linked.close(), later.close()]);
});

test('an empty file is a source of length zero', async () => {
  writeFileSync(path, '');
  const source = await openSource(path);
  expect(source.lengthBytes).toBe(0);
  expect(await read(source)).toHaveLength(0);
  await source.close();
});

test('a missing file and a directory are refused by name', async () => {
  const missing = join(root, 'missing');
  await expect(openSource(missing)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `cannot put ${missing}: there is no such file`,
  });
  await expect(openSource(root)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: `cannot put ${root}: it is a directory`,
  });
});

test('a file that cannot be read is a disk error that names it', async () => {
  // Root may read every file; the memory of a process, read from its start, fails for root too.
  const isRoot = process.getuid?.() === 0;
  const unreadable = isRoot ? '/proc/self/mem' : join(root, 'secret');
  if (!isRoot) writeFileSync(unreadable, 'x', { mode: 0 });
  const reading = (async () => read(await openSource(unreadable)))();
  const reason = isRoot ? 'reading it failed' : 'you may not read it';
  await expect(reading).rejects.toMatchObject({
    code: 'DISK',
    message: `cannot put ${unreadable}: ${reason}`,
  });
});

test('a device without end has no length and no resume name', async () => {
  const source = await openSource('/dev/null');
  expect([source.lengthBytes, source.resumeKey]).toEqual([undefined, undefined]);
  await source.close();
});
