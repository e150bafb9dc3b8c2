// The commands about the chain, against a local network of four node processes: what they show is proven, what they change is final, and
// mistakes are named. One network for the whole file; the tests stand in the order of a story.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Output } from '../../cli/output.ts';
import { stake, type StakeFlags } from '../../cli/stake.ts';
import { StoreError } from '../../src/base/errors.ts';
import { type CommandResult, runStore, storeJson } from '../../scripts/demo/store-command.ts';

interface UpJson {
  readonly nodes: readonly { readonly node: string; readonly folder: string; readonly http: string }[];
}

interface Proven {
  readonly height: number;
  readonly provenBy: { readonly height: number };
}

interface Validators extends Proven {
  readonly epoch: number;
  readonly totalPower: string;
  readonly validators: readonly {
    readonly node: string;
    readonly power: string;
    readonly turnsMade: number;
  }[];
  readonly next: readonly unknown[];
}

interface EpochJson extends Proven {
  readonly epoch: number;
  readonly checkpoint: string;
  readonly trust: { readonly height: number; readonly hash: string };
}

interface Load {
  readonly transactions: number;
  readonly blocks: number;
  readonly load: number;
}

interface Changed extends Proven {
  readonly outcome: string;
  readonly transaction: string;
  readonly block: number;
  readonly before: string;
  readonly after: string;
}

const root = mkdtempSync(join(tmpdir(), 'holdfast-chain-'));
const home = join(root, 'home');
const folder = join(root, 'nodes');
const env = { HOLDFAST_HOME: home };
let running: UpJson;

const run = (...args: string[]): Promise<CommandResult> => runStore(args, { env });
const json = <T>(...args: string[]): Promise<T> => storeJson<T>(args, { env });
const firstLine = ({ stderr }: CommandResult): string => stderr.split('\n')[0]!;
const node = (index: number): string => running.nodes[index]!.node;
/** Signs with the operator of that node. */
const by = (index: number): readonly [string, string] => ['--dir', running.nodes[index]!.folder];

/** Runs a command that must fail, and checks what is promised about failures. */
async function fails(
  exitCode: number,
  code: string,
  line: string | RegExp,
  ...args: string[]
): Promise<void> {
  const result = await run(...args);
  expect(firstLine(result)).toMatch(line);
  expect(result.stderr).toMatch(new RegExp(`^next: {2}.+\\ncode: {2}${code}\\n$`, 'm'));
  expect([result.exitCode, result.stdout.length]).toEqual([exitCode, 0]);
}

beforeAll(async () => {
  running = await json<UpJson>('up', '--nodes', '4', '--dir', folder, '--detach', '--http');
});

afterAll(async () => {
  await run('down', '--dir', folder);
  rmSync(root, { recursive: true, force: true });
});

test('the first command after the start waits for the first block: nodes serve before they have agreed on anything', async () => {
  expect((await json<EpochJson>('epoch')).epoch).toBe(0);
});

test('validators show power, shares and turns, and the header that proves them', async () => {
  const [view, text] = await Promise.all([json<Validators>('validators'), run('validators')]);
  expect(view.validators.map((each) => each.node).sort()).toEqual([0, 1, 2, 3].map(node).sort());
  expect([view.epoch, view.totalPower, view.next.length]).toEqual([0, '400', 4]);
  expect(view.validators.reduce((sum, { turnsMade }) => sum + turnsMade, 0)).toBe(view.height);
  expect(view.provenBy.height).toBe(view.height + 1);
  expect(text.stdout.toString()).toMatch(/^epoch 0 runs: 4 validators with power 400$/m);
  expect(text.stdout.toString()).toMatch(/ 25\.0 % /);
  expect(text.stdout.toString()).toMatch(/^state after height \d+, proven by header \d+ of /m);
  await fails(3, 'NOT_FOUND', /the chain has no validators of epoch 9$/, 'validators', '--epoch', '9');
});

test('two homes see the same checkpoint, and the pair of one is where the other begins to trust', async () => {
  const here = await json<EpochJson>('epoch');
  expect(here).toMatchObject({ epoch: 0, mode: 'shared', firstHeight: 1, lastHeight: 120, shards: 1 });
  expect(here.checkpoint).toMatch(/^[0-9a-f]{64}$/);
  const other = { env: { HOLDFAST_HOME: join(root, 'other') } };
  mkdirSync(join(root, 'other'));
  copyFileSync(join(home, 'network.json'), join(root, 'other', 'network.json'));
  const pair = ['--trust-height', String(here.trust.height), '--trust-hash', here.trust.hash];
  const there = await storeJson<EpochJson>(['epoch', ...pair], other);
  expect([there.checkpoint, there.trust]).toEqual([here.checkpoint, here.trust]);
});

test('another block than the chain has at a height, and half a pair, are refused', async () => {
  const other = ['epoch', '--home', join(root, 'other'), '--trust-height', '1'];
  const hash = ['--trust-hash', 'ab'.repeat(32)];
  await fails(
    7,
    'INTEGRITY',
    /block 1 of the chain that this home follows is [0-9a-f]{64}$/,
    ...other,
    ...hash,
  );
  await fails(2, 'INVALID_ARGUMENT', /--trust-height says nothing without --trust-hash$/, ...other);
});

test('shards show their root, members, load and what is under way', async () => {
  const view = await json<Proven & Load & { shards: Record<string, unknown>[] }>('shards');
  expect(view).toMatchObject({ epoch: 0, blocks: view.height });
  // Nodes hand in the results of audits by themselves, so how many there are is not for a test to say.
  expect(view.load).toBeCloseTo(view.transactions / Math.max(1, view.blocks));
  expect(view.shards).toHaveLength(1);
  expect(view.shards[0]).toMatchObject({ shard: 0, receiptsOut: 0, receiptsIn: 0 });
  expect(view.shards[0]!['stateRoot']).toMatch(/^[0-9a-f]{64}$/);
  expect(view.shards[0]!['members']).toHaveLength(4);
});

test('a block names its proposer and a quorum that signed it; a height that is none is refused', async () => {
  const first = await json<Record<string, unknown>>('block', '1');
  expect(first).toMatchObject({ header: { height: 1, epoch: 0 }, totalPower: '400', transactions: [] });
  expect(Number(first['signedPower'])).toBeGreaterThan(266);
  const newest = await json<{ header: { height: number } }>('block', 'latest');
  expect(newest.header.height).toBeGreaterThanOrEqual(1);
  await fails(3, 'NOT_FOUND', /the chain has no block 4000000 yet$/, 'block', '4000000');
  await fails(2, 'INVALID_ARGUMENT', /height 0 is the founding of the network, and no block$/, 'block', '0');
});

test('a dry run changes nothing; a bond is final when the command ends, and shows wherever one looks', async () => {
  const words = ['stake', 'bond', node(0).slice(0, 8), '5', ...by(0)];
  const tried = await json<Changed & { isDryRun: boolean }>(...words, '--dry-run');
  expect(tried).toMatchObject({ isDryRun: true, outcome: 'expected', before: '100' });
  const done = await json<Changed>(...words);
  expect(done).toMatchObject({ outcome: 'done', before: '100', after: '105', fee: '0', amount: '5' });
  expect(done.height).toBeGreaterThanOrEqual(done.block);
  const place = await json<Record<string, unknown>>('tx', done.transaction);
  expect(place).toMatchObject({
    status: 'included',
    height: done.block,
    refusal: null,
    transaction: { action: { kind: 'bond' } },
  });
  const block = await json<{ transactions: { id: string }[] }>('block', String(done.block));
  expect(block.transactions.map(({ id }) => id)).toContain(done.transaction);
  const shown = await json<Record<string, unknown>>('stake', 'show', node(0));
  expect(shown).toMatchObject({ kind: 'node', node: { stake: '105', power: '100', isJailed: false } });
});

test('stake asked back waits for the end of the epoch, and cannot be withdrawn before', async () => {
  const done = await json<Changed>('stake', 'unbond', node(0), '3', ...by(0));
  expect(done).toMatchObject({ outcome: 'done', before: '105', after: '102' });
  const shown = await json<Record<string, unknown>>('stake', 'show', ...by(0));
  expect(shown).toMatchObject({
    kind: 'account',
    balances: [{ asset: 'native', amount: '999995' }],
    operates: [node(0)],
    stakes: [{ node: node(0), unbonding: [{ amount: '3', isFree: false }] }],
  });
  await fails(
    1,
    'REFUSED',
    /nothing of it is free yet \(too-early\)$/,
    'stake',
    'withdraw',
    node(0),
    ...by(0),
  );
});

test('tokens go to an account by the name of its key, which can then pay for itself', async () => {
  const account = (await run('keys', 'create', 'alice', '--no-passphrase')).stdout.toString().trim();
  const sent = await json<Changed>('stake', 'transfer', 'alice', '100', ...by(1));
  expect(sent).toMatchObject({ outcome: 'done', target: account, before: '0', after: '100' });
  const back = await json<Changed>('stake', 'transfer', account, '40', '--key', 'alice');
  expect(back).toMatchObject({ account, target: account, outcome: 'done' });
  const shown = await run('stake', 'show', '--key', 'alice');
  expect(shown.stdout.toString()).toMatch(/^balance +100 native$/m);
});

/** Runs the command in this process, which takes a third of the time; it must throw. */
async function refusal(operands: readonly string[], flags: StakeFlags): Promise<string> {
  const nothing = (): undefined => undefined;
  const silent = { isJson: true, isLive: false, columns: 80, result: nothing, note: nothing, warn: nothing };
  const output: Output = { ...silent, live: nothing, style: (_, text) => text, fail: () => 1 };
  const context = { output, home, signal: new AbortController().signal };
  return stake.run(context, operands, { ...flags }).then(
    () => 'it was done',
    (error: unknown) => (error instanceof StoreError ? `${error.code} ${error.message}` : String(error)),
  );
}

const dir = (index: number): StakeFlags => ({ dir: running.nodes[index]!.folder });

test('what the chain would refuse is not handed in, and says why', async () => {
  const refused = async (flags: StakeFlags, ...operands: string[]): Promise<string> =>
    (await refusal(operands, flags)).replace(/cannot .*; nothing was handed in: /, '');
  expect(await refused(dir(0), 'bond', 'abcd1234', '5')).toBe(
    'NOT_FOUND no node is registered under "abcd1234"',
  );
  expect(await refused(dir(0), 'bond', node(0), '9999999')).toBe(
    'REFUSED the account has less than that (insufficient-balance)',
  );
  expect(await refused(dir(1), 'bond', node(0), '5')).toBe(
    'UNAUTHORIZED the account is not the operator of the node (not-the-operator)',
  );
  expect(await refused(dir(1), 'delegate', node(0), '5')).toBe(
    'UNAUTHORIZED the node takes no tokens of others (not-the-operator)',
  );
  expect(await refused(dir(1), 'unbond', node(1), '101')).toBe(
    'REFUSED the account has less than that bonded there (insufficient-balance)',
  );
  expect(await refused(dir(1), 'withdraw', node(1))).toBe(
    'REFUSED nothing of the account unbonds there (insufficient-balance)',
  );
  expect(await refused(dir(1), 'unjail', node(1))).toBe(
    'CONDITION_FAILED the node is not in jail (condition-failed)',
  );
  expect(await refused({ ...dir(0), asset: 'gold' }, 'bond', node(0), '5')).toBe(
    'INVALID_ARGUMENT there is no asset "gold"',
  );
});

test('wrong words of stake are refused before anybody is asked', async () => {
  const usage = 'INVALID_ARGUMENT';
  const both = { ...dir(0), key: 'alice' };
  expect(await refusal(['burn'], {})).toBe(`${usage} stake has no action "burn"`);
  expect(await refusal(['bond', node(0)], {})).toBe(`${usage} stake bond needs more`);
  expect(await refusal(['withdraw', node(0), '5'], {})).toBe(`${usage} stake withdraw takes no amount`);
  expect(await refusal(['show', node(0), '5'], {})).toBe(`${usage} too many arguments for "stake show"`);
  for (const amount of ['1.5', '0', 'x', '99999999999999999999']) {
    const words = `amount: "${amount}" is not a whole number of tokens from 1 on`;
    expect(await refusal(['bond', node(0), amount], {})).toBe(`${usage} ${words}`);
  }
  expect(await refusal(['transfer', 'bob', '5'], dir(0))).toBe(`${usage} "bob" is no account`);
  expect(await refusal(['unjail', 'bob'], dir(0))).toBe(`${usage} "bob" is no node`);
  expect(await refusal(['bond', node(0), '5'], both)).toBe(`${usage} --key and --dir both say who signs`);
  expect(await refusal(['unjail', node(0)], { dir: root })).toBe(
    `NOT_FOUND there is no ${join(root, 'operator.key')}`,
  );
  expect(await refusal(['unjail', node(0)], { key: 'nobody' })).toBe(`NOT_FOUND ${home} has no key nobody`);
});

test('a transaction that was signed elsewhere is handed in once; one that nobody has is not found', async () => {
  await fails(2, 'INVALID_ARGUMENT', /id: "12" is not an id of 64 hex digits$/, 'tx', '12');
  const unknown = 'ab'.repeat(32);
  await fails(3, 'NOT_FOUND', /no node shows the transaction (ab){32} in a block$/, 'tx', unknown);
  const file = join(root, 'transaction');
  writeFileSync(file, 'not a transaction');
  await fails(7, 'INVALID_ENCODING', /transaction/, 'tx', 'send', file);
  await fails(3, 'NOT_FOUND', /there is no such file$/, 'tx', 'send', join(root, 'nothing'));
  const { bytes, id } = await signedElsewhere();
  writeFileSync(file, bytes);
  const sent = await json<Record<string, unknown>>('tx', 'send', file);
  expect(sent).toMatchObject({ status: 'included', refusal: null, transaction: { id } });
  const again = await json<Record<string, unknown>>('tx', 'send', file);
  expect(again['height']).toBe(sent['height']);
});

/** A transfer by an account that no node and no other test signs for, with its first nonce. */
async function signedElsewhere(): Promise<{ readonly bytes: Uint8Array; readonly id: string }> {
  const { nativeSigner } = await import('../../src/runtime/crypto.ts');
  const { LEDGER_RULES } = await import('../../src/shards/ledger.ts');
  const { encodeTransaction, signTransaction } = await import('../../src/shards/transaction.ts');
  const { fromHex, toHex } = await import('../../src/base/bytes.ts');
  const { network } = await json<{ network: string }>('status');
  const signer = nativeSigner(new Uint8Array(32).fill(7) as never);
  const sender = signer.publicKey as never;
  await json<Changed>('stake', 'transfer', toHex(sender), '5', ...by(2));
  const transaction = {
    network: fromHex(network) as never,
    sender,
    nonce: 0,
    fee: 0n,
    expiresAtHeight: 1000,
    action: { kind: 'transfer', parameters: { to: sender, amounts: [[0, 1n]] } },
  };
  const signed = signTransaction(transaction, LEDGER_RULES.operations, signer);
  return { bytes: encodeTransaction(signed, LEDGER_RULES.operations), id: toHex(signed.id) };
}

test('network and status tell how many may fail and that the chain goes on', async () => {
  const [network, status, text] = await Promise.all([
    json<{ chain: Record<string, unknown> }>('network'),
    json<{ chain: Record<string, unknown> }>('status'),
    run('network'),
  ]);
  const half = { count: 2, power: '200', fraction: 0.5 };
  const tolerance = { voters: 4, f: 1, toHalt: half, toSplit: half };
  expect(network.chain).toMatchObject({
    isAnswering: true,
    members: 4,
    shards: 1,
    totalPower: '400',
    tolerance: { nodes: tolerance, operators: tolerance },
  });
  expect(status.chain).toMatchObject({ isAdvancing: true, epoch: 0 });
  expect(text.stdout.toString()).toMatch(
    /^Prop 1\.2 {2}f = 1 of 4 validators may fail; 2 \(50 %\) stop the chain/m,
  );
});

test('with --http each node serves the chain to programs of this machine', async () => {
  const url = running.nodes[0]!.http;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const status = (await (await fetch(`${url}/v1/status`)).json()) as Record<string, unknown>;
  expect(status).toMatchObject({ role: 'validating', epoch: 0 });
  expect(status['waitingTransactions']).toBeGreaterThanOrEqual(0);
  const missing = await fetch(`${url}/v1/transactions/${'ab'.repeat(32)}`);
  expect(missing.status).toBe(404);
});
