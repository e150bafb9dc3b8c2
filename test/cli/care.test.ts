// Looking after objects on the command line, against a local network of five node processes that audit each other. One network for the whole file; the
// tests stand in the order of a story.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandResult, runStore, storeJson } from '../../scripts/demo/store-command.ts';
import { type LocalNetwork, startLocalNetwork } from '../helpers/local-network.ts';

interface HealthJson {
  readonly object: string;
  readonly state: string;
  readonly margin: number;
  readonly segments: readonly { readonly alive: number }[];
  readonly holders: readonly {
    readonly node: string;
    readonly pieces: number;
    readonly provenHeight: number | null;
  }[];
}

/** A round takes twenty seconds, and is judged in its second half. */
const ROUNDS_MS = 180_000;

let network: LocalNetwork;
let uri: string;
let file: string;

const run = (...args: string[]): Promise<CommandResult> =>
  runStore(args, { env: { HOLDFAST_HOME: network.home } });
const json = <T>(...args: string[]): Promise<T> =>
  storeJson<T>(args, { env: { HOLDFAST_HOME: network.home } });
const health = (): Promise<HealthJson> => json<HealthJson>('health', uri);
const inRoot = (name: string): string => join(network.root, name);

beforeAll(async () => {
  network = await startLocalNetwork(5);
  file = inRoot('file');
  writeFileSync(file, randomBytes(100_000));
});
afterAll(() => network?.stop());

test('a put without a name says that it is done when the chain has the object', async () => {
  const put = await json<{ uri: string; registered: boolean }>('put', file);
  expect(put.registered).toBe(true);
  uri = put.uri;
  expect(await health()).toMatchObject({ state: 'whole', margin: 2, segments: [{ alive: 4 }] });
});

test('health of all covers what has a name and what has none, and ends with 0 while nothing needs repair', async () => {
  await run('put', file, 'store://kept/a', '--create-bucket');
  const [all, text, neither] = await Promise.all([
    json<{ objects: { uri: string | null; state: string }[]; notOnChain: unknown[] }>('health', '--all'),
    run('health', '--all'),
    run('health'),
  ]);
  expect(all.objects.map((each) => `${each.uri} ${each.state}`).sort()).toEqual([
    'null whole',
    'store://kept/a whole',
  ]);
  expect(all.notOnChain).toEqual([]);
  expect([text.exitCode, text.stdout.toString().split('\n')[0]]).toEqual([0, '2 objects: 2 whole']);
  expect(neither.exitCode).toBe(2);
});

test('why it lies where it lies is said with ranks and weights', async () => {
  const [explained, text] = await Promise.all([
    json<{ members: unknown[]; placedElsewhere: number }>('explain', uri),
    run('explain', uri),
  ]);
  expect([explained.members.length, explained.placedElsewhere]).toEqual([5, 0]);
  expect(text.stdout.toString()).toMatch(/^ +1 +[0-9a-f]{8} +[0-9a-f]{8} +20\.0 %/m);
});

test('a bundle verifies in an empty home without any network, and not when a bit of it is changed', async () => {
  const bundle = inRoot('file.bundle');
  const made = await json<{ network: string }>('prove', uri, bundle);
  const id = made.network;
  const empty = inRoot('empty');
  mkdirSync(empty);
  const offline = (...args: string[]): Promise<CommandResult> =>
    runStore(args, { env: { HOLDFAST_HOME: empty } });
  const bytes = readFileSync(bundle);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(inRoot('changed.bundle'), bytes);
  const [verified, unnamed, refused] = await Promise.all([
    offline('verify', bundle, '--network', id, '--json'),
    offline('verify', bundle),
    offline('verify', inRoot('changed.bundle'), '--network', id),
  ]);
  expect(JSON.parse(verified.stdout.toString())).toMatchObject({
    verified: true,
    network: id,
    state: 'whole',
    trustedHeight: 0,
  });
  expect(unnamed.exitCode).toBe(2);
  expect([refused.exitCode, refused.stdout.length]).toEqual([7, 0]);
  expect(refused.stderr).toMatch(/^error: /);
});

test('a drill rebuilds what a node holds from the others, and a plan says what it would take to take it out', async () => {
  const [holder] = (await health()).holders.filter(({ pieces }) => pieces > 0);
  const [drill, plan, wrong] = await Promise.all([
    json<{ held: number; rebuilt: number }>('drill', holder!.node.slice(0, 8)),
    json<Record<string, unknown>>('plan', 'remove', holder!.node),
    run('plan', 'add', holder!.node),
  ]);
  expect(drill.held).toBeGreaterThan(0);
  expect(drill.rebuilt).toBe(drill.held);
  expect(plan).toMatchObject({ standing: 'healthy', takers: 4, lowestMargin: 2, lowestMarginAtOnce: 1 });
  expect(wrong.exitCode).toBe(2);
});

test('a node says what it holds, how it stands and what it has staked', async () => {
  const { node, folder } = network.nodes[0]!;
  const [status, text, nobody, wrong] = await Promise.all([
    json<Record<string, unknown>>('node', 'status', '--dir', folder),
    run('node', 'status', '--dir', folder),
    run('node', 'status', '--dir', inRoot('nothing')),
    run('node', 'restart'),
  ]);
  expect(status).toMatchObject({ node, standing: 'healthy', isMember: true, failed: 0, score: 1_000_000 });
  expect(status['bonded']).toEqual([{ asset: 0, amount: '100' }]);
  expect([text.exitCode, /^standing +healthy$/m.test(text.stdout.toString())]).toEqual([0, true]);
  expect([nobody.exitCode, wrong.exitCode]).toEqual([3, 2]);
});

test(
  'holders prove what they hold within a few rounds, and health says up to which height',
  async () => {
    for (;;) {
      const { holders } = await health();
      if (holders.every(({ provenHeight }) => provenHeight !== null)) break;
      await setTimeout(1_000);
    }
    const text = (await run('health', uri)).stdout.toString();
    expect(text).toMatch(/^state +whole: 2 more may go$/m);
    expect(text).toMatch(/ height \d+ +0 +100\.0 %$/m);
    expect(text).toMatch(/^assumed: 1\.26 losses of a node a year/m);
  },
  ROUNDS_MS,
);

test('an object that is removed is on the chain no more', async () => {
  const { object } = await health();
  expect((await run('rm', uri)).exitCode).toBe(0);
  const gone = await run('health', object);
  expect([gone.exitCode, /^code: {2}(\w+)$/m.exec(gone.stderr)?.[1]]).toEqual([3, 'NOT_FOUND']);
});
