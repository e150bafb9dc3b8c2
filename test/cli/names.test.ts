// Names on the command line, as a person meets them: real processes against a local network of four nodes, which the whole file shares.
// The tests stand in the order of a story.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, runStore, storeJson } from '../../scripts/demo/store-command.ts';
import { type LocalNetwork, startLocalNetwork } from '../helpers/local-network.ts';

interface NameJson {
  readonly uri: string;
  readonly etag: string;
  readonly size: number;
}

interface ListJson {
  readonly names: readonly NameJson[];
  readonly prefixes: readonly string[];
  readonly token: string | null;
}

interface PutJson {
  readonly name: { readonly uri: string; readonly etag: string; readonly released: string | null };
}

const cat = randomBytes(10_240);
const dog = randomBytes(100_000);
let network: LocalNetwork;
let folder: string;

beforeAll(async () => {
  network = await startLocalNetwork(4);
  folder = join(network.root, 'files');
  mkdirSync(folder);
  writeFileSync(join(folder, 'cat.jpg'), cat);
  writeFileSync(join(folder, 'dog.jpg'), dog);
});
afterAll(() => network?.stop());

const inHome = (home: string) => ({
  run: (...args: string[]): Promise<CommandResult> => runStore(args, { env: { HOLDFAST_HOME: home } }),
  json: <T>(...args: string[]): Promise<T> => storeJson<T>(args, { env: { HOLDFAST_HOME: home } }),
});
const run = (...args: string[]): Promise<CommandResult> => inHome(network.home).run(...args);
const json = <T>(...args: string[]): Promise<T> => inHome(network.home).json<T>(...args);
const file = (name: string): string => join(folder, name);
const contentOf = async (uri: string): Promise<Buffer> => (await run('get', uri)).stdout;
const urisIn = async (...args: string[]): Promise<readonly string[]> =>
  (await json<ListJson>('ls', ...args)).names.map(({ uri }) => uri).sort();

/** Exit code, code and next step of a command that fails. */
async function fails(...args: string[]): Promise<{ exitCode: number; code: string; says: string }> {
  const { exitCode, stderr, stdout } = await run(...args);
  expect(stdout.toString()).toBe('');
  expect(stderr).toMatch(/^next: {2}.+$/m);
  expect(stderr).not.toMatch(/^\s+at /m);
  return { exitCode, code: /^code: {2}(\w+)$/m.exec(stderr)![1]!, says: stderr };
}

// ---- A story -------------------------------------------------------------------------------------------------

test('a name needs its bucket, and the refusal says how to make one', async () => {
  expect((await run('ls')).exitCode).toBe(0);
  const missing = await fails('put', file('cat.jpg'), 'store://photos/cat.jpg');
  expect([missing.exitCode, missing.code]).toEqual([3, 'NOT_FOUND']);
  expect(missing.says).toContain('store bucket create');
  const made = await run('bucket', 'create', 'photos');
  expect([made.exitCode, made.stdout.toString()]).toEqual([0, 'store://photos/\n']);
  const again = await fails('bucket', 'create', 'store://photos/');
  expect([again.exitCode, again.code]).toEqual([9, 'ALREADY_EXISTS']);
  const still = await fails('put', file('cat.jpg'), 'store://pictures/cat.jpg');
  expect(still.says).toContain('store bucket create pictures');
});

test('what was put under a name comes back by it, at once and through every node', async () => {
  const put = await run('put', file('cat.jpg'), 'store://photos/2024/', '--no-wait');
  expect([put.exitCode, put.stdout.toString()]).toEqual([0, 'store://photos/2024/cat.jpg\n']);
  expect(await contentOf('store://photos/2024/cat.jpg')).toEqual(cat);
  const out = file('copy.jpg');
  expect((await run('get', 'store://photos/2024/cat.jpg', out)).exitCode).toBe(0);
  expect(readFileSync(out)).toEqual(cat);
  const description = JSON.parse(readFileSync(join(network.home, 'network.json'), 'utf8')) as {
    bootstrap: readonly string[];
  };
  const { name } = await json<PutJson>('put', file('dog.jpg'), 'store://photos/2024/dog.jpg');
  for (const address of description.bootstrap) {
    const home = await network.newHome(`through ${description.bootstrap.indexOf(address)}`);
    writeFileSync(join(home, 'network.json'), JSON.stringify({ ...description, bootstrap: [address] }));
    writeFileSync(join(home, 'owner.key'), readFileSync(join(network.home, 'owner.key')), { mode: 0o600 });
    const listed = await inHome(home).json<ListJson>('ls', '-r', 'store://photos');
    expect(listed.names.find(({ uri }) => uri === name.uri)).toMatchObject({
      etag: name.etag,
      size: dog.length,
    });
  }
});

test('a name is overwritten on condition, and a failed condition changes nothing', async () => {
  const { name } = await json<{ name: NameJson }>('stat', 'store://photos/2024/cat.jpg');
  const taken = await fails('put', file('dog.jpg'), name.uri, '--if-none-match', '*');
  expect([taken.exitCode, taken.code]).toEqual([9, 'CONDITION_FAILED']);
  expect(taken.says).toContain(name.etag);
  const swapped = await json<PutJson>('put', file('dog.jpg'), name.uri, '--if-match', name.etag);
  expect(swapped.name.released).toBe('deleted');
  const late = await fails('put', file('cat.jpg'), name.uri, '--if-match', name.etag);
  expect([late.exitCode, late.says.includes(swapped.name.etag)]).toEqual([9, true]);
  expect(await contentOf(name.uri)).toEqual(dog);
  expect((await fails('put', file('cat.jpg'), 'store://photos/new', '--if-match', '*')).exitCode).toBe(9);
});

test('of two puts that both want a new name one wins', async () => {
  const put = (name: string): Promise<CommandResult> =>
    run('put', file(name), 'store://photos/race', '--if-none-match', '*');
  const results = await Promise.all([put('cat.jpg'), put('dog.jpg')]);
  expect(new Set(results.map(({ exitCode }) => exitCode))).toEqual(new Set([0, 9]));
  expect(await contentOf('store://photos/race')).toEqual(results[0]!.exitCode === 0 ? cat : dog);
  expect((await run('rm', 'store://photos/race')).exitCode).toBe(0);
});

test('listings go folder by folder, or all the way down, in pages that belong together', async () => {
  for (const key of ['a/1', 'a/2', 'b/c/3', 'top']) {
    expect((await run('put', file('cat.jpg'), `store://photos/list/${key}`, '--no-wait')).exitCode).toBe(0);
  }
  const top = await json<ListJson>('ls', 'store://photos/list/');
  expect([...top.prefixes].sort()).toEqual(['store://photos/list/a/', 'store://photos/list/b/']);
  expect(top.names.map(({ uri }) => uri)).toEqual(['store://photos/list/top']);
  const all = await urisIn('-r', 'store://photos/list/');
  expect(all).toEqual(['a/1', 'a/2', 'b/c/3', 'top'].map((key) => `store://photos/list/${key}`));
  const seen: string[] = [];
  let token: string | null = null;
  do {
    const more: readonly string[] = token === null ? [] : ['--token', token];
    const page = await json<ListJson>('ls', '-r', 'store://photos/list/', '--max', '3', ...more);
    expect(page.names.length).toBeLessThanOrEqual(3);
    seen.push(...page.names.map(({ uri }) => uri));
    token = page.token;
  } while (token !== null);
  expect(seen.sort()).toEqual(all);
  const long = (await run('ls', '-l', '-r', 'store://photos/list/a')).stdout.toString();
  expect(long).toMatch(
    /^ *SIZE +HEIGHT +ETAG +NAME\n( *10240 +\d+ +[0-9a-f]{32} +store:\/\/photos\/list\/a\/[12]\n){2}$/m,
  );
});

test('names are moved and copied, within a bucket and to another, and objects go with the last of their names', async () => {
  expect((await run('bucket', 'create', 'archive', '--copies', '3')).exitCode).toBe(0);
  const moved = await json<NameJson>('mv', 'store://photos/list/top', 'store://archive/');
  expect(moved.uri).toBe('store://archive/top');
  expect((await fails('get', 'store://photos/list/top')).code).toBe('NOT_FOUND');
  expect(await contentOf('store://archive/top')).toEqual(cat);
  const busy = await fails('mv', 'store://photos/list/a/1', 'store://archive/top', '--if-none-match', '*');
  expect(busy.exitCode).toBe(9);
  const copied = await run('cp', 'store://archive/top', 'store://photos/second');
  expect([copied.exitCode, copied.stdout.toString()]).toEqual([0, 'store://photos/second\n']);
  expect(await json('rm', 'store://archive/top')).toMatchObject({ released: 'kept', unreachable: [] });
  expect(await contentOf('store://photos/second')).toEqual(cat);
  expect(await json('rm', 'store://photos/list/a/2')).toMatchObject({ released: 'deleted', nodes: 4 });
});

test('files are copied in and out', async () => {
  expect((await run('cp', file('dog.jpg'), 'store://archive/in/')).exitCode).toBe(0);
  const into = file('out');
  mkdirSync(into);
  expect((await run('cp', 'store://archive/in/dog.jpg', into)).exitCode).toBe(0);
  expect(readFileSync(join(into, 'dog.jpg'))).toEqual(dog);
  expect((await json<{ code: unknown }>('stat', 'store://archive/in/dog.jpg')).code).toEqual({ k: 1, n: 3 });
});

test('whoever has the recovery phrase reads the names from elsewhere, and nobody else does', async () => {
  const home = await network.newHome('elsewhere');
  const other = inHome(home);
  expect((await other.run('get', 'store://archive/in/dog.jpg')).exitCode).toBe(3);
  expect((await other.run('ls')).stdout.toString()).toBe('');
  const { phrase } = await json<{ phrase: string }>('keys', 'export', 'default');
  const imported = await runStore(['keys', 'import', 'mine', '--no-passphrase'], {
    env: { HOLDFAST_HOME: home },
    input: `${phrase}\n`,
  });
  expect(imported.exitCode).toBe(0);
  expect((await other.run('get', 'store://archive/in/dog.jpg')).stdout).toEqual(dog);
  expect((await other.run('ls')).stdout.toString()).toBe('store://archive/\nstore://photos/\n');
  expect((await other.run('keys', 'create', 'another', '--no-passphrase')).exitCode).toBe(0);
  const stranger = await other.run('get', 'store://archive/in/dog.jpg', '--key', 'another');
  expect([stranger.exitCode, stranger.stderr.includes('there is no bucket archive')]).toEqual([3, true]);
});

test('a public bucket keeps names and objects in the clear', async () => {
  expect((await run('bucket', 'create', 'site', '--public')).exitCode).toBe(0);
  expect((await run('put', file('cat.jpg'), 'store://site/')).exitCode).toBe(0);
  const stat = await json<{ isPublic: boolean; cid: string }>('stat', 'store://site/cat.jpg');
  expect(stat.isPublic).toBe(true);
  expect(await contentOf('store://site/cat.jpg')).toEqual(cat);
  const sealed = await fails('bucket', 'set', 'site', '--encrypt', '--no-public');
  expect([sealed.exitCode, sealed.code]).toEqual([9, 'CONDITION_FAILED']);
});

test('a folder is removed as a whole, and a bucket when it is empty', async () => {
  const full = await fails('bucket', 'rm', 'photos');
  expect([full.exitCode, full.code]).toEqual([9, 'CONDITION_FAILED']);
  expect((await fails('rm', 'store://photos/')).says).toContain('store rm -r');
  expect(await json('rm', '-r', 'store://photos/list')).toMatchObject({ names: 2, unreachable: [] });
  expect(await urisIn('-r', 'store://photos')).not.toContain('store://photos/list/a/1');
  expect((await run('rm', '-r', 'store://photos')).exitCode).toBe(0);
  expect((await run('bucket', 'rm', 'photos')).exitCode).toBe(0);
  expect((await run('ls')).stdout.toString()).toBe('store://archive/\nstore://site/\n');
});

// ---- Mistakes ------------------------------------------------------------------------------------------------

type Mistake = readonly [what: string, exitCode: number, says: string, ...args: string[]];

describe('a mistake is found before anything happens:', () => {
  const mistakes: readonly Mistake[] = [
    ['one slash', 2, 'store://', 'get', 'store:/archive/x', 'out'],
    ['capitals', 2, 'small letters', 'get', 'STORE://archive/x', 'out'],
    ['no key', 2, 'the key is missing', 'get', 'store://archive'],
    ['a bucket in capitals', 2, 'no name of a bucket', 'put', '/dev/null', 'store://Archive/x'],
    ['an empty component', 2, 'empty component', 'stat', 'store://archive/a//b'],
    ['a way out', 2, 'component ".."', 'put', '/dev/null', 'store://archive/../x'],
    ['the name before the file', 2, 'no local file', 'put', 'store://archive/x', 'x'],
    ['a file where a name belongs', 2, 'no name in the store', 'put', '/dev/null', 'archive/x'],
    [
      'two conditions',
      2,
      'exclude one another',
      'put',
      '/dev/null',
      'store://archive/x',
      '--if-match',
      '*',
      '--if-none-match',
      '*',
    ],
    ['a condition without a name', 2, 'none is given', 'put', '/dev/null', '--if-match', '*'],
    ['an etag that is none', 2, 'not an etag', 'put', '/dev/null', 'store://archive/x', '--if-match', 'abc'],
    ['standard input without a name of its own', 2, 'no name of its own', 'put', '-', 'store://archive/'],
    ['moving a file', 2, 'only names in the store', 'mv', '/dev/null', 'store://archive/x'],
    ['copying a file to a file', 2, 'neither of the two', 'cp', 'a', 'b'],
    ['an action that is none', 2, 'no action "make"', 'bucket', 'make', 'x'],
    ['a bucket without a name', 2, 'needs the name', 'bucket', 'create'],
    [
      'a policy that contradicts itself',
      2,
      'public bucket cannot be encrypted',
      'bucket',
      'create',
      'x',
      '--public',
      '--encrypt',
    ],
    ['a URI whose # got lost', 2, 'after # is missing', 'get', `store://bafyrei${'a'.repeat(52)}`],
    ['a token of another listing', 2, 'another listing', 'ls', 'store://archive', '--token', 'AAAA'],
    ['a name that is not there', 3, 'store ls store://archive/', 'get', 'store://archive/nothing'],
    ['a key that is not there', 3, 'no key', 'ls', '--key', 'nobody'],
  ];
  for (const [what, exitCode, says, ...args] of mistakes) {
    test(what, async () => {
      const failure = await fails(...args);
      expect(failure.says).toContain(says);
      expect(failure.exitCode).toBe(exitCode);
      expect(existsSync('out')).toBe(false);
    });
  }
});
