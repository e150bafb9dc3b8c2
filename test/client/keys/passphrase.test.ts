import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPassphraseFile } from '../../../src/client/keys/passphrase.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-passphrase-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function fileWith(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = join(root, 'passphrase');
  await rm(path, { force: true });
  await writeFile(path, content, { mode });
  await chmod(path, mode);
  return path;
}

test.each([
  ['correct horse\n', 'correct horse'],
  ['correct horse\r\n', 'correct horse'],
  ['correct horse', 'correct horse'],
  ['  with blanks \n', '  with blanks '],
  ['héhé ✓\n', 'héhé ✓'],
])('%j holds one line', async (content, expected) => {
  expect(await readPassphraseFile(await fileWith(content))).toBe(expected);
});

test.each([
  ['nothing', ''],
  ['an empty line', '\n'],
  ['two lines', 'one\ntwo\n'],
  ['a book', 'x'.repeat(2000)],
  ['no text', Uint8Array.of(0xff, 0xfe)],
])('a file with %s is refused', async (_, content) => {
  const error = await expectCodeAsync('INVALID_ARGUMENT', readPassphraseFile(await fileWith(content)));
  expect(error.message).toContain(join(root, 'passphrase'));
});

test('a file that others may read is refused, a link to a private one is not', async () => {
  await expectCodeAsync('INVALID_IDENTITY', readPassphraseFile(await fileWith('correct horse', 0o640)));
  const link = join(root, 'link');
  await symlink(await fileWith('correct horse', 0o400), link);
  expect(await readPassphraseFile(link)).toBe('correct horse');
});

test('what is no file is refused, and a pipe without a writer keeps nobody waiting', async () => {
  await expectCodeAsync('NOT_FOUND', readPassphraseFile(join(root, 'missing')));
  await expectCodeAsync('INVALID_ARGUMENT', readPassphraseFile(root));
  const pipe = join(root, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expectCodeAsync('INVALID_ARGUMENT', readPassphraseFile(pipe));
});
