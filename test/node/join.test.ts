// Joining and leaving on real nodes over real sockets: an operator invites, another machine becomes a member and a validator, and goes again.

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { equal, toHex } from '../../src/base/bytes.ts';
import type { OpenChainClient } from '../../src/client/chain/client.ts';
import { createStore } from '../../src/client/store.ts';
import type { Store } from '../../src/client/types.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { candidateOf, finishFolder, foundFolders } from '../../src/node/folder-setup.ts';
import { readGenesis } from '../../src/node/genesis.ts';
import { formatInvitation, parseInvitation } from '../../src/node/invitation.ts';
import { descriptionFromCode, type MadeInvitation, makeInvitation, takeBack } from '../../src/node/invite.ts';
import { type JoinedNode, joinNetwork, type JoinOptions, type JoinStep } from '../../src/node/join.ts';
import { leaveNetwork } from '../../src/node/leave.ts';
import { createNode, type Node } from '../../src/node/node.ts';
import { accountOf } from '../../src/node/node-keys.ts';
import { balanceIn, send } from '../../src/node/operator-actions.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';
import { bondsOf } from '../../src/shards/bonds.ts';
import { DEFAULT_PARAMETERS } from '../../src/shards/parameters.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const EPOCH_BLOCKS = 12;
const CONFIG = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, capacityBytes: 2 ** 28, reserveBytes: 0 };
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let root = '';
let running: Node[] = [];
let stores: Store[] = [];
let founder: Node;
let chain: OpenChainClient;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-join-'));
  running = [];
  stores = [];
  const config = { ...CONFIG, operator: 'alice' };
  const folder = dataFolder(folderOf('alice'));
  const { founding } = await foundFolders([folder], 'test', {
    candidates: ([identity]) => [candidateOf(identity!, config)],
    params: { isTrial: true },
    parameters: {
      epochBlocks: EPOCH_BLOCKS,
      evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: EPOCH_BLOCKS },
    },
  });
  await finishFolder(folder, founding, config);
  founder = await start('alice');
  await until('the first block', () => founder.status().chain.height > 0);
  chain = await open('alice', {
    network: toHex(founding.signed.record.network),
    name: 'test',
    bootstrap: [...founder.status().addresses.bulk],
  });
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await Promise.all(running.map((node) => node.stop()));
  await rm(root, { recursive: true, force: true });
});

const folderOf = (name: string): string => join(root, name);

async function start(name: string): Promise<Node> {
  const node = await createNode({ folder: folderOf(name), logger: SILENT });
  running.push(node);
  return node;
}

async function open(name: string, network: ReturnType<typeof descriptionFromCode>): Promise<OpenChainClient> {
  const store = await createStore({ home: join(root, `home of ${name}`), network });
  stores.push(store);
  return store.chain();
}

const invited = (tokens = 100n): Promise<MadeInvitation> =>
  makeInvitation({ folder: folderOf('alice'), chain, tokens, addresses: founder.status().addresses.bulk });

async function joined(code: string, name: string, options: Partial<JoinOptions> = {}): Promise<JoinedNode> {
  const config = { ...CONFIG, operator: name, domains: { rack: 'r2' } };
  const own = options.chain ?? (await open(name, descriptionFromCode(code)));
  return joinNetwork({ folder: folderOf(name), code, config, ...options, chain: own });
}

/** Blocks, until the founder is in an epoch. */
async function reach(epoch: number): Promise<void> {
  const { signer, ...identity } = await loadIdentity(dataFolder(folderOf('alice')).operatorKey);
  const account = accountOf({ signer, ...identity });
  while (founder.status().chain.epoch < epoch) await send(chain, signer, account, 1n);
  await until(`epoch ${epoch}`, () => founder.status().epoch >= epoch);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a machine with an invitation becomes a member and a validator two epochs later, and leaves again', async () => {
  const { code, balance } = await invited();
  expect(balance).toBe(999_900n);
  const made = await joined(code, 'bob');
  const { identity, account, epoch, memberFrom } = made;
  expect(made).toMatchObject({ bonded: 100n, memberFrom: epoch + 2, validatorFrom: epoch + 2 });
  expect(await readGenesis(dataFolder(folderOf('bob')).genesisFile, nativeVerify)).toEqual(made.founding);
  const bob = await start('bob');
  expect(bob.status()).toMatchObject({ isMember: false });
  await reach(memberFrom);
  await until('membership', () => bob.status().isMember && bob.status().epoch >= memberFrom);
  expect(founder.status().members).toBe(2);
  await until(
    'acquaintance',
    () => bob.status().neighbours.length + founder.status().neighbours.length === 2,
  );
  await until('its vote', () => bob.status().chain.role === 'validating');
  const bonds = await chain.read((state) => bondsOf(state, identity.nodeId));
  expect(bonds.value).toEqual([{ owner: account, amounts: [[0, 100n]] }]);

  const left = await leaveNetwork({ folder: folderOf('bob'), chain });
  expect(left).toMatchObject({ leaving: 100n, memberUntil: left.epoch });
  expect(equal(left.node, identity.nodeId)).toBe(true);
  await reach(left.epoch + 1);
  await until('the end of its membership', () => !bob.status().isMember);
  expect(founder.status().members).toBe(1);
  const again = await leaveNetwork({ folder: folderOf('bob'), chain });
  expect(again).toMatchObject({ leaving: 100n, memberUntil: undefined });
  await expectCodeAsync('ALREADY_EXISTS', joined((await invited()).code, 'bob', { chain }));
}, 60_000);

describe('a join', () => {
  test('that was interrupted at any step goes on where it was', async () => {
    const { code } = await invited();
    const steps: JoinStep[] = [];
    for (const stopAt of ['tokens', 'register', 'beacon'] as const) {
      const onStep = (step: JoinStep): void => {
        steps.push(step);
        if (step === stopAt) throw new Error('interrupted');
      };
      await expect(joined(code, 'bob', { chain, onStep })).rejects.toThrow('interrupted');
    }
    const first = await joined(code, 'bob', { chain });
    expect(steps).toEqual([
      'folder',
      'tokens',
      'folder',
      'tokens',
      'register',
      'folder',
      'tokens',
      'register',
      'beacon',
    ]);
    const second = await joined(code, 'bob', { chain });
    expect(second.memberFrom).toBe(first.memberFrom);
    expect(second.bonded).toBe(100n);
  });

  test('with a code that was used says so, and so does one that was taken back', async () => {
    const { code } = await invited();
    await joined(code, 'bob', { chain });
    const error = await expectCodeAsync('UNAUTHORIZED', joined(code, 'carol', { chain }));
    expect(error.next).toContain('Ask for a new one');
    const { code: other } = await invited(50n);
    expect(await takeBack({ folder: folderOf('alice'), chain }, other)).toBe(50n);
    await expectCodeAsync('NOT_FOUND', takeBack({ folder: folderOf('alice'), chain }, other));
    await expectCodeAsync('UNAUTHORIZED', joined(other, 'carol', { chain }));
    expect(await readdir(folderOf('carol'))).toContain('operator.key');
  });

  test('leads nowhere with a mistyped code, without an address, or in the folder of another network', async () => {
    const { code } = await invited();
    await expectCodeAsync('INVALID_ARGUMENT', joined(`${code}a`, 'bob', { chain }));
    const without = formatInvitation({ ...parseInvitation(code), addresses: [] });
    await expectCodeAsync('UNREACHABLE', joined(without, 'bob'));
    const folder = dataFolder(folderOf('other'));
    const config = { ...CONFIG, operator: 'other' };
    const { founding } = await foundFolders([folder], 'other', {
      candidates: ([identity]) => [candidateOf(identity!, config)],
    });
    await finishFolder(folder, founding, config);
    await expectCodeAsync('ALREADY_EXISTS', joined(code, 'other', { chain }));
  });
});

describe('an invitation', () => {
  test('costs what it promises, and no more than the account has', async () => {
    const operator = await loadIdentity(dataFolder(folderOf('alice')).operatorKey);
    const error = await expectCodeAsync('REFUSED', invited(1_000_001n));
    expect(error.message).toContain('1000000');
    await expectCodeAsync('INVALID_ARGUMENT', invited(0n));
    const { value } = await chain.read((state) => balanceIn(state, accountOf(operator)));
    expect(value).toBe(1_000_000n);
  });

  test('is kept in a private file before it is worth anything, and tells where the network is', async () => {
    const { code } = await invited();
    const { invitations } = dataFolder(folderOf('alice'));
    expect((await stat(invitations)).mode & 0o077).toBe(0);
    const bootstrap = [...founder.status().addresses.bulk];
    expect(descriptionFromCode(code)).toMatchObject({ name: 'test', bootstrap });
    await expectCodeAsync('INVALID_CONFIG', makeInvitation({ folder: folderOf('alice'), chain }));
  });
});
