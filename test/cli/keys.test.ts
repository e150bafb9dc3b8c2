// `store keys` as a person meets it: real processes. Keys that are only read are made here, at little cost.

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type CommandResult, runStore } from '../../scripts/demo/store-command.ts';
import { createKey, type KeyEntry } from '../../src/client/keys/keys.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-cli-keys-'));
const home = join(root, 'home');
const passphraseFile = join(root, 'passphrase');
const PASSPHRASE = 'correct horse battery';
const PHRASE =
  'much youth advance kitchen lens exile salt cram goose enter alert raise milk muscle profit cousin system faint mouse price reveal cause series long';

afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(home, { recursive: true, force: true });
  writeFileSync(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
});

const run = (args: readonly string[], env: Record<string, string> = {}, input = ''): Promise<CommandResult> =>
  runStore(['keys', ...args], { env: { HOLDFAST_HOME: home, ...env }, input });
const withFile = { HOLDFAST_PASSPHRASE_FILE: passphraseFile };
const quick = (name: string, passphrase?: string): Promise<KeyEntry> =>
  createKey(home, { name, passphrase }, { costLog2: 10 });
const filePath = (name: string): string => join(home, 'keys', `${name}.json`);
const text = ({ stdout }: CommandResult): string => stdout.toString();
const json = (result: CommandResult): Record<string, unknown> =>
  JSON.parse(text(result)) as Record<string, unknown>;

/** Exit code and code of the failure; standard output stays empty, and there is a next step. */
async function fails(exitCode: number, code: string, result: Promise<CommandResult>): Promise<string> {
  const { exitCode: actual, stdout, stderr } = await result;
  expect([actual, stdout.toString()], stderr).toEqual([exitCode, '']);
  expect(stderr).toMatch(new RegExp(`^next: {2}.+\\ncode: {2}${code}\\n$`, 'm'));
  expect(stderr).not.toContain(PASSPHRASE);
  return stderr;
}

describe('create', () => {
  test('makes a protected key in a private file, once, and prints its account', async () => {
    const made = await run(['create', 'alice'], withFile);
    expect([made.exitCode, text(made)]).toEqual([0, expect.stringMatching(/^[0-9a-f]{64}\n$/)]);
    expect(made.stderr).toContain('protected by a passphrase, the default');
    expect(statSync(filePath('alice')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(filePath('alice'), 'utf8'))).toMatchObject({
      name: 'alice',
      publicKey: text(made).trim(),
      kdf: { name: 'scrypt', n: 131_072, r: 8, p: 1 },
    });
    const before = readFileSync(filePath('alice'));
    await fails(9, 'ALREADY_EXISTS', run(['create', 'alice', '--no-passphrase']));
    expect(readFileSync(filePath('alice'))).toEqual(before);
  });

  test('without a passphrase warns; --default makes it the one that signs', async () => {
    await quick('alice');
    const made = await run(['create', 'bob', '--no-passphrase', '--default', '--json']);
    expect(json(made)).toEqual({
      name: 'bob',
      publicKey: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      isProtected: false,
      isDefault: true,
      createdAt: expect.stringMatching(/^\d{4}-.+Z$/) as string,
      file: filePath('bob'),
    });
    expect(made.stderr).toMatch(/^note: {2}the key bob is not protected: [^\n]+\n$/);
  });

  test('where nobody can be asked says where to write the passphrase', async () => {
    expect(await fails(8, 'UNAUTHORIZED', run(['create', 'alice']))).toContain('HOLDFAST_PASSPHRASE_FILE');
    expect(existsSync(filePath('alice'))).toBe(false);
  });

  test('refuses a short passphrase, an open file, a missing one, and a passphrase in the environment', async () => {
    writeFileSync(passphraseFile, 'short\n');
    await fails(2, 'INVALID_ARGUMENT', run(['create', 'alice'], withFile));
    writeFileSync(passphraseFile, `${PASSPHRASE}\n`);
    chmodSync(passphraseFile, 0o644);
    await fails(8, 'INVALID_IDENTITY', run(['create', 'alice'], withFile));
    chmodSync(passphraseFile, 0o600);
    await fails(3, 'NOT_FOUND', run(['create', 'alice', '--passphrase-file', join(root, 'missing')]));
    const leaked = run(['create', 'alice'], { HOLDFAST_PASSPHRASE: PASSPHRASE });
    expect(await fails(2, 'INVALID_ARGUMENT', leaked)).toContain('HOLDFAST_PASSPHRASE_FILE');
    expect(existsSync(home)).toBe(false);
  });
});

describe('list', () => {
  test('shows every key, which are protected and which signs; it asks for nothing', async () => {
    const empty = await run([]);
    expect([empty.exitCode, text(empty)]).toEqual([0, '']);
    const [alice, bob] = [await quick('alice', PASSPHRASE), await quick('bob')];
    const lines = text(await run(['list']))
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => line.trim().split(/\s+/))).toEqual([
      ['NAME', 'ACCOUNT', 'PROTECTION', 'CREATED'],
      ['alice', alice.publicKey, 'passphrase', expect.stringMatching(/^\d{4}-\d\d-\d\d$/), 'default'],
      ['bob', bob.publicKey, 'none', expect.stringMatching(/^\d{4}-\d\d-\d\d$/)],
    ]);
    expect(json(await run(['--json']))).toMatchObject({
      home,
      default: 'alice',
      keys: [
        { name: 'alice', isProtected: true, isDefault: true },
        { name: 'bob', isProtected: false, isDefault: false },
      ],
    });
  });

  test('says which file is damaged, shows the others, and ends with 4', async () => {
    await quick('alice');
    await quick('bob');
    writeFileSync(filePath('alice'), '{}');
    const result = await run(['--json']);
    expect(result.exitCode).toBe(4);
    expect(json(result)['keys']).toMatchObject([
      { name: 'alice', publicKey: null, error: { code: 'INVALID_IDENTITY' } },
      { name: 'bob' },
    ]);
    expect(result.stderr).toContain(filePath('alice'));
  });
});

describe('a recovery phrase', () => {
  test('goes to standard output alone, with a warning beside it, and needs the passphrase', async () => {
    await quick('alice', PASSPHRASE);
    const printed = await run(['export', 'alice'], withFile);
    expect(text(printed)).toMatch(/^[a-z]+( [a-z]+){23}\n$/);
    expect(printed.stderr).toMatch(/^note: {2}whoever reads these words has the key/);
    expect(printed.stderr).not.toContain(text(printed).split(' ').slice(0, 3).join(' '));
    expect(json(await run(['export', 'alice', '--json'], withFile))).toEqual({
      name: 'alice',
      phrase: text(printed).trim(),
    });
    writeFileSync(passphraseFile, 'another passphrase\n');
    await fails(8, 'WRONG_KEY', run(['export', 'alice'], withFile));
    await fails(8, 'UNAUTHORIZED', run(['export', 'alice']));
  });

  test('is imported from standard input and from a file, under a passphrase', async () => {
    const typed = `\n ${PHRASE.toUpperCase().replaceAll(' ', '\n')}\n`;
    const alice = json(await run(['import', 'alice', '--json'], withFile, typed));
    expect(alice).toMatchObject({ name: 'alice', isProtected: true, isDefault: true });
    const phraseFile = join(root, 'phrase');
    writeFileSync(phraseFile, PHRASE, { mode: 0o644 });
    chmodSync(phraseFile, 0o644);
    const bob = await run(['import', 'bob', '--phrase-file', phraseFile, '--no-passphrase']);
    expect(text(bob).trim()).toBe(alice['publicKey']);
    expect(bob.stderr).toContain(`other users may have read ${phraseFile}`);
    expect(text(await run(['export', 'bob'])).trim()).toBe(PHRASE);
  });

  test('that is wrong makes no key, and the wrong word is named', async () => {
    const wrong = PHRASE.replace('kitchen', 'kitchn');
    const said = await fails(2, 'INVALID_ARGUMENT', run(['import', 'alice', '--no-passphrase'], {}, wrong));
    expect(said).toContain('word 4, "kitchn", is not in the list');
    expect(said).toContain('Is word 4 "kitchen"?');
    const swapped = PHRASE.replace('much youth', 'youth much');
    await fails(2, 'INVALID_ARGUMENT', run(['import', 'alice', '--no-passphrase'], {}, swapped));
    await fails(2, 'INVALID_ARGUMENT', run(['import', 'alice', '--no-passphrase'], {}, 'x'.repeat(100_000)));
    await fails(2, 'INVALID_ARGUMENT', run(['import', 'alice', '--no-passphrase']));
    expect(existsSync(filePath('alice'))).toBe(false);
  });
});

describe('default, passphrase, remove', () => {
  test('default chooses the key that signs', async () => {
    await quick('alice');
    await quick('bob');
    expect(json(await run(['default', 'bob', '--json']))).toMatchObject({ name: 'bob', isDefault: true });
    expect(json(await run(['--json']))['default']).toBe('bob');
    await fails(3, 'NOT_FOUND', run(['default', 'carol']));
  });

  test('passphrase changes it, and takes it away', async () => {
    const { publicKey } = await quick('alice', PASSPHRASE);
    const next = join(root, 'next');
    writeFileSync(next, 'another passphrase\n', { mode: 0o600 });
    await fails(8, 'UNAUTHORIZED', run(['passphrase', 'alice'], withFile));
    const change = await run(['passphrase', 'alice', '--new-passphrase-file', next, '--json'], withFile);
    expect(json(change)).toMatchObject({ publicKey, isProtected: true });
    await fails(8, 'WRONG_KEY', run(['export', 'alice'], withFile));
    const plain = await run(['passphrase', 'alice', '--no-passphrase', '--passphrase-file', next, '--json']);
    expect(json(plain)).toMatchObject({ publicKey, isProtected: false });
    expect((await run(['export', 'alice'])).exitCode).toBe(0);
  });

  test('remove wants to be sure', async () => {
    await quick('alice');
    expect(await fails(2, 'INVALID_ARGUMENT', run(['remove', 'alice']))).toContain('store keys export alice');
    expect(existsSync(filePath('alice'))).toBe(true);
    const removed = await run(['remove', 'alice', '--yes']);
    expect([removed.exitCode, text(removed)]).toEqual([0, '']);
    expect(removed.stderr).toContain('it was the default');
    await fails(3, 'NOT_FOUND', run(['remove', 'alice', '--yes']));
  });
});

test.each([
  [['make', 'alice'], 'keys has no action "make"'],
  [['create'], 'keys create needs the name of a key'],
  [['list', 'alice'], 'too many arguments for "keys list"'],
  [['create', 'alice', 'bob'], "too many arguments for 'keys'"],
  [['create', '../evil', '--no-passphrase'], '"../evil" is not a name for a key'],
])('%j is wrong use', async (args, message) => {
  expect(await fails(2, 'INVALID_ARGUMENT', run(args))).toContain(`error: ${message}`);
});
