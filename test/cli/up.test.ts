// A local network of four node processes, and every command against it. One network for the whole file; the tests stand
// in the order of a story, the last ones take the network down.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  cleanEnvironment,
  type CommandResult,
  runStore,
  STORE,
  storeJson,
} from '../../scripts/demo/store-command.ts';

interface UpJson {
  readonly pid: number;
  readonly network: string;
  readonly nodes: readonly { readonly node: string; readonly pid: number; readonly folder: string }[];
  readonly isTrial: boolean;
}

interface PutJson {
  readonly uri: string;
  readonly size: number;
  readonly code: { readonly k: number; readonly n: number };
  readonly missingPieces: number;
}

const root = mkdtempSync(join(tmpdir(), 'holdfast-up-'));
const home = join(root, 'home');
const env = { HOLDFAST_HOME: home };
const content = randomBytes(3_000_000);
const file = join(root, 'content');
/** Not the default: the home must remember it, or the last test would start another network. */
const folder = join(root, 'nodes');
let network: ChildProcess;
let running: UpJson;
/** What `up` said on standard error. */
let said = '';
let uri: string;

const run = (...args: string[]): Promise<CommandResult> => runStore(args, { env });
const json = <T>(...args: string[]): Promise<T> => storeJson<T>(args, { env });
const firstLine = ({ stderr }: CommandResult): string => stderr.split('\n')[0]!;
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 1500; tries++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited 30 s in vain: ${what}`);
}

beforeAll(async () => {
  writeFileSync(file, content);
  network = spawn(process.execPath, [STORE, 'up', '--nodes', '4', '--dir', folder, '--json'], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  network.stderr!.on('data', (text: Buffer) => (said += text.toString()));
  const line = await new Promise<string>((resolve) =>
    createInterface({ input: network.stdout! }).once('line', resolve),
  );
  running = JSON.parse(line) as UpJson;
});

afterAll(async () => {
  if (network.exitCode === null) {
    network.kill('SIGTERM');
    await new Promise((resolve) => network.once('exit', resolve));
  }
  rmSync(root, { recursive: true, force: true });
});

test('up starts separate processes and makes their network the default of the home', () => {
  expect(running.nodes).toHaveLength(4);
  expect(new Set([running.pid, ...running.nodes.map(({ pid }) => pid)]).size).toBe(5);
  expect(running.nodes.every(({ pid }) => isAlive(pid))).toBe(true);
  expect(JSON.parse(readFileSync(join(home, 'network.json'), 'utf8'))).toMatchObject({
    network: running.network,
  });
});

test('a second network in the same folder is refused', async () => {
  const result = await run('up');
  expect([result.exitCode, firstLine(result)]).toEqual([
    9,
    `error: ${folder} is in use by process ${running.pid}`,
  ]);
});

test('a folder that cannot be made is a DISK error, and nobody waits for it', async () => {
  for (const command of [['up'], ['up', '--detach']]) {
    const result = await run(...command, '--dir', '/proc/holdfast/data');
    expect(firstLine(result)).toContain('/proc/holdfast');
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/code: +DISK/);
  }
});

test('status and network show the members, their links and that it is a trial', async () => {
  await until(async () => (await run('status')).exitCode === 0, 'every node answers');
  const status = await json<Record<string, unknown>>('status');
  expect(status).toMatchObject({
    health: 'ok',
    members: 4,
    reachable: 4,
    isTrial: true,
    network: running.network,
  });
  expect((await run('status')).stdout.toString()).toContain('trial: all nodes are on one machine');
  const view = await json<{ members: { degree: number }[]; overlay: Record<string, unknown> }>('network');
  expect(view.members.map(({ degree }) => degree)).toEqual([3, 3, 3, 3]);
  expect(view.overlay).toMatchObject({ links: 6, averageDegree: 3, largestExcess: 0, outliers: [] });
});

test('put prints the URI and nothing else; get writes the same bytes', async () => {
  const result = await run('put', file);
  expect(result.exitCode).toBe(0);
  expect(result.stdout.toString()).toMatch(/^store:\/\/b[a-z2-7]+#[0-9a-f]{8}\.[A-Za-z0-9_-]{43}\n$/);
  expect(result.stderr).toMatch(/^stored 2\.9 MiB in .+, any 2 of 4 pieces rebuild, \d of 4 confirmed$/m);
  uri = result.stdout.toString().trim();
  const out = join(root, 'out');
  const got = await run('get', uri, out);
  expect([got.exitCode, got.stdout.length]).toEqual([0, 0]);
  expect(readFileSync(out).equals(content)).toBe(true);
  const piped = await run('get', uri);
  expect(piped.stdout.equals(content)).toBe(true);
});

test('put --json names at least uri, size and code', async () => {
  const made = await json<PutJson>('put', file, '--code', '2/3', '--wait');
  expect(made).toMatchObject({ size: content.length, code: { k: 2, n: 3 }, missingPieces: 0 });
  expect(made.uri).toMatch(/^store:/);
});

test('standard input and an empty file are objects like others', async () => {
  const { stdout } = await runStore(['put', '-', '-q'], { env, input: 'from a pipe' });
  expect((await run('get', stdout.toString().trim(), '-')).stdout.toString()).toBe('from a pipe');
  writeFileSync(join(root, 'empty'), '');
  const empty = await json<PutJson>('put', join(root, 'empty'));
  expect(empty.size).toBe(0);
  await json('get', empty.uri, join(root, 'empty-out'));
  expect(statSync(join(root, 'empty-out')).size).toBe(0);
});

test('a range is exactly the bytes asked for', async () => {
  const by = async (...words: string[]): Promise<Buffer> => (await run('get', uri, '-', ...words)).stdout;
  expect((await by('--range', '1000000-1000099')).equals(content.subarray(1_000_000, 1_000_100))).toBe(true);
  expect((await by('--offset', '2999990')).equals(content.subarray(2_999_990))).toBe(true);
  expect((await by('--offset', '5', '--length', '7')).equals(content.subarray(5, 12))).toBe(true);
});

test('settings come from the file, the environment and flags, the later over the earlier', async () => {
  writeFileSync(join(home, 'config.yaml'), 'put:\n  code: 1/2\n');
  const codeOf = async (more: Record<string, string>, ...args: string[]): Promise<unknown> =>
    (await storeJson<PutJson>(['put', file, ...args], { env: { ...env, ...more } })).code;
  expect(await codeOf({})).toEqual({ k: 1, n: 2 });
  expect(await codeOf({ HOLDFAST_CODE: '1/3' })).toEqual({ k: 1, n: 3 });
  expect(await codeOf({ HOLDFAST_CODE: '1/3' }, '--code', '3/4')).toEqual({ k: 3, n: 4 });
  rmSync(join(home, 'config.yaml'));
});

test('an existing output stays unless forced, and a full disk is named', async () => {
  const out = join(root, 'kept');
  writeFileSync(out, 'mine');
  expect((await run('get', uri, out)).exitCode).toBe(9);
  expect(readFileSync(out, 'utf8')).toBe('mine');
  expect((await run('get', uri, out, '--force')).exitCode).toBe(0);
  expect(readFileSync(out).equals(content)).toBe(true);
  const full = await run('get', uri, '/dev/full');
  expect([full.exitCode, firstLine(full)]).toEqual([1, 'error: cannot write /dev/full: the disk is full']);
  expect(full.stderr).toContain('code:  DISK');
  expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true);
});

test('a reader that goes away ends get quietly', async () => {
  const script = `"$0" "$1" get "$2" | head -c 10 >/dev/null; exit "\${PIPESTATUS[0]}"`;
  const child = spawn('bash', ['-c', script, process.execPath, STORE, uri], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const exitCode = await new Promise((resolve) => child.on('close', resolve));
  expect([exitCode, stderr]).toEqual([141, '']);
});

test('a wrong key, an object of another network and one that nobody has', async () => {
  const last = uri.at(-5) === 'A' ? 'B' : 'A';
  const wrongKey = await run('get', `${uri.slice(0, -5)}${last}${uri.slice(-4)}`, join(root, 'x'));
  expect([wrongKey.exitCode, wrongKey.stderr]).toEqual([8, expect.stringContaining('code:  WRONG_KEY')]);
  const foreign = await run('get', uri.replace(/#[0-9a-f]{8}/, '#00000000'), join(root, 'x'));
  expect([foreign.exitCode, firstLine(foreign)]).toEqual([
    1,
    `error: the object is in network 00000000, this store is in network ${running.network.slice(0, 8)}`,
  ]);
  const unknown = uri.replace(/bafyrei[a-z2-7]{4}/, (cid) => `${cid.slice(0, -4)}aaaa`);
  const nobody = await run('get', unknown, join(root, 'x'));
  expect([nobody.exitCode, nobody.stderr]).toEqual([3, expect.stringContaining('code:  NOT_FOUND')]);
  expect(readdirSync(root).filter((name) => name === 'x' || name.includes('.part'))).toEqual([]);
});

test('a damaged owner key is refused before anything is sent', async () => {
  const other = join(root, 'damaged-home');
  mkdirSync(other);
  copyFileSync(join(home, 'network.json'), join(other, 'network.json'));
  writeFileSync(join(other, 'owner.key'), 'holdfast-node-key\n', { mode: 0o600 });
  const result = await runStore(['put', file], { env: { HOLDFAST_HOME: other } });
  expect([result.exitCode, firstLine(result)]).toEqual([
    8,
    `error: owner key: identity file ${join(other, 'owner.key')} is not a node key file`,
  ]);
});

test('more pieces than operators are refused', async () => {
  const result = await run('put', file, '--code', '3/9');
  expect([result.exitCode, result.stdout.length]).toEqual([10, 0]);
  expect(result.stderr).toContain('code:  NOT_ENOUGH_OPERATORS');
});

test('a file that cannot be read to its end is named', async () => {
  const result = await run('put', '/proc/self/mem');
  expect([result.exitCode, firstLine(result)]).toEqual([
    1,
    'error: cannot put /proc/self/mem: reading it failed',
  ]);
});

test('stat tells how well an object is kept, rm removes it for good', async () => {
  expect(await json('stat', uri)).toMatchObject({
    size: content.length,
    code: { k: 2, n: 4 },
    isCertified: true,
    isTrial: true,
    fewestPieces: 4,
    missingHolders: [],
  });
  const { uri: second } = await json<PutJson>('put', file, '--wait');
  expect(await json('rm', second)).toMatchObject({ unreachable: [] });
  expect((await run('get', second, join(root, 'gone'))).exitCode).toBe(3);
});

test('another home joins as a client by an invitation: it reads what it has the URI of and removes nothing', async () => {
  const other = { env: { HOLDFAST_HOME: join(root, 'stranger') } };
  const code = (await run('invite', '--dir', running.nodes[0]!.folder)).stdout.toString().trim();
  await storeJson(['join', code, '--client'], other);
  expect((await runStore(['get', uri], other)).stdout.equals(content)).toBe(true);
  const result = await runStore(['rm', uri], other);
  expect([result.exitCode, result.stderr]).toEqual([8, expect.stringContaining('code:  UNAUTHORIZED')]);
});

test('an interrupted put goes on where it stopped', async () => {
  const large = join(root, 'large');
  writeFileSync(large, randomBytes(48 * 1024 * 1024));
  const child = spawn(process.execPath, [STORE, 'put', large, '--segment', '1MiB'], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const uploads = join(home, 'uploads');
  const journalBytes = (): number =>
    (existsSync(uploads) ? readdirSync(uploads) : [])
      .map((name) => statSync(join(uploads, name, 'journal'), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  // A header has some 200 bytes, the record of a segment some 800.
  await until(() => journalBytes() > 2000 || child.exitCode !== null, 'the first segments are stored');
  child.kill('SIGINT');
  const exitCode = await new Promise((resolve) => child.once('close', resolve));
  expect([exitCode, stderr.split('\n')[0]]).toEqual([130, 'error: interrupted']);
  const again = await run('put', large, '--segment', '1MiB');
  expect(again.stderr).toMatch(/^resumed at segment [1-9]\d*$/m);
  const out = join(root, 'large-out');
  await run('get', again.stdout.toString().trim(), out);
  expect(readFileSync(out).equals(readFileSync(large))).toBe(true);
});

test('a node that dies is reported and started again under the same key', async () => {
  const victim = running.nodes[3]!;
  process.kill(victim.pid, 'SIGKILL');
  await until(async () => (await run('status')).exitCode === 4, 'status is degraded');
  expect((await run('get', uri)).stdout.equals(content)).toBe(true);
  await until(async () => (await run('status')).exitCode === 0, 'the node is back');
  expect(said).toMatch(/^note: {2}node 4 ended \(SIGKILL\).*; starting it again in 1 s$/m);
  const view = await json<{ members: { node: string; isReachable: boolean }[] }>('network');
  expect(view.members.find(({ node }) => node === victim.node)).toMatchObject({ isReachable: true });
});

test('SIGTERM stops every process; without them a get says which answered; at the next start everything is there', async () => {
  network.kill('SIGTERM');
  const exitCode = await new Promise((resolve) => network.once('exit', resolve));
  expect(exitCode).toBe(0);
  await until(() => running.nodes.every(({ pid }) => !isAlive(pid)), 'the nodes are gone');
  const down = await run('get', uri, join(root, 'down'));
  expect([down.exitCode, down.stderr]).toEqual([5, expect.stringContaining('code:  UNREACHABLE')]);
  expect((await run('status')).exitCode).toBe(5);

  const again = await json<UpJson>('up', '--detach');
  try {
    expect(again.nodes.map(({ node }) => node)).toEqual(running.nodes.map(({ node }) => node));
    expect((await run('get', uri)).stdout.equals(content)).toBe(true);
  } finally {
    expect((await run('down')).exitCode).toBe(0);
  }
  expect(again.nodes.some(({ pid }) => isAlive(pid))).toBe(false);
});
