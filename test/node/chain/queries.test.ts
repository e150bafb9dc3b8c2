// Every answer is checked as a client would: light blocks by certificate, records by their proofs up to a header, transactions by their path.

import { afterEach, describe, expect, test } from 'vitest';
import { equal, fromHex } from '../../../src/base/bytes.ts';
import type { Digest } from '../../../src/base/ids.ts';
import { verifyInclusion } from '../../../src/base/merkle.ts';
import { checkCertificate } from '../../../src/consensus/certificate.ts';
import { validatorSetDigest } from '../../../src/consensus/validator-set.ts';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import { Chain } from '../../../src/node/chain/chain.ts';
import type { ChainQueries } from '../../../src/node/chain/queries.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { accountKey, accountOf, accountRecord } from '../../../src/shards/account.ts';
import { decodeBlock } from '../../../src/shards/block.ts';
import type { ProveReply } from '../../../src/shards/chain-messages.ts';
import { epochStateKey } from '../../../src/shards/epoch-state.ts';
import { shardsRootOf } from '../../../src/shards/header.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import type { LightBlock } from '../../../src/shards/light-block.ts';
import { parametersKey } from '../../../src/shards/parameters.ts';
import { recordDigest } from '../../../src/shards/record.ts';
import { decodeTransaction } from '../../../src/shards/transaction.ts';
import { type StatePath, shardPrefix } from '../../../src/shards/tree/path.ts';
import { checkProof } from '../../../src/shards/tree/proof.ts';
import { decodeCanonical } from '../../../src/base/codec.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { ownerOf, SoloChain, type SoloOptions } from './query-kit.ts';

const open: SoloChain[] = [];
afterEach(() => {
  for (const solo of open.splice(0)) solo.close();
});

async function found(options: SoloOptions = {}): Promise<SoloChain> {
  const solo = await SoloChain.found(options);
  open.push(solo);
  return solo;
}

const pathOf = (name: string): StatePath => accountKey(ownerOf(name)).path as Uint8Array as StatePath;
const PLAIN = { atLeast: 0, exactly: undefined, waitMs: 0, isHeaderKnown: false };

function expectSound(solo: SoloChain, light: LightBlock): void {
  const { header, certificate, validators } = light;
  expect(checkCertificate(solo.network, validators, certificate, nativeVerify)).toBeUndefined();
  expect(equal(validatorSetDigest(validators), header.validators)).toBe(true);
  expect(certificate.height).toBe(header.height);
}

/** What the reply proves about each path: the record, or null. */
function proven(reply: ProveReply, paths: readonly StatePath[]): readonly (Uint8Array | null)[] {
  const { light, shards } = reply.framing!;
  expect(light.header.height).toBe(reply.height);
  expect(shardsRootOf(shards)).toEqual(light.header.shardsRoot);
  return paths.map((path, index) => {
    const { shardBits } = shards[0]!;
    const shard = shards.find((each) => path[0]! >> (8 - shardBits) === each.shard)!;
    const head = { prefix: shardPrefix(shard.shard, shardBits), digest: shard.stateRoot };
    const verdict = checkProof(head, path, reply.proofs[index]!);
    const record = reply.records[index]!;
    if (record === null) expect(verdict.kind).toBe('absent');
    else expect(verdict).toEqual({ kind: 'present', value: recordDigest(record) });
    return record;
  });
}

const balanceOf = (record: Uint8Array | null): bigint =>
  record === null
    ? 0n
    : (decodeCanonical(accountRecord.schema, record, 1024, 'account').balances[0]?.[1] ?? 0n);

describe('light blocks', () => {
  test('before the first block there is no head', async () => {
    const { queries } = await found();
    const error = await expectCodeAsync('NOT_FOUND', queries.head());
    expect(error.message).toContain('no block here yet');
  });

  test('of every height are signed by the set that their header names, across borders of epochs', async () => {
    const solo = await found();
    await solo.steps(11);
    for (let height = 1; height <= 11; height++) expectSound(solo, await solo.queries.light(height));
    expect((await solo.queries.head()).header.height).toBe(11);
    const error = await expectCodeAsync('NOT_FOUND', solo.queries.light(12));
    expect(error.message).toContain('kept from height 1 on, and the newest is 11');
  });

  test('after a restart the sets of former epochs come from the state', async () => {
    const solo = await found();
    await solo.steps(11);
    const store = await openChainStore({
      keyValue: solo.keyValue,
      sha256: nativeSha256,
      kinds: LEDGER_RULES,
    });
    const chain = await Chain.open({
      networkId: solo.network,
      rules: LEDGER_RULES,
      sha256: nativeSha256,
      verify: nativeVerify,
      store,
      clock: { now: () => 0 },
    });
    expect(chain.rolesAt(3)).toBeUndefined();
    const queries = solo.queriesWith({ chain, store });
    for (const height of [3, 11, 7]) expectSound(solo, await queries.light(height));
    queries.close();
  });

  test('of pruned heights are not here, and the refusal says which are', async () => {
    const solo = await found();
    await solo.steps(6);
    expectSound(solo, await solo.queries.light(2));
    await solo.store.prune({ block: 4, state: 4 });
    const error = await expectCodeAsync('NOT_FOUND', solo.queries.light(2));
    expect(error.message).toContain('kept from height 4 on');
    await expectCodeAsync('NOT_FOUND', solo.queries.block(3));
    expectSound(solo, await solo.queries.light(4));
  });
});

describe('records', () => {
  test('are of the state before the newest block, present or absent, under its header', async () => {
    const solo = await found({ shardBits: 2 });
    await solo.intake.submit(solo.pay('alice', 0, 'alice', 1n).bytes);
    await solo.intake.submit(solo.pay('alice', 1, 'bob', 100n).bytes);
    await solo.steps(4);
    const paths = [pathOf('alice'), pathOf('nobody'), pathOf('bob')];
    const reply = await solo.queries.prove({ ...PLAIN, paths });
    expect(reply.height).toBe(4);
    expectSound(solo, reply.framing!.light);
    expect(proven(reply, paths).map(balanceOf)).toEqual([900n, 0n, 100n]);
  });

  test('of one header are what they were then', async () => {
    const solo = await found();
    await solo.step();
    await solo.intake.submit(solo.pay('alice', 0, 'bob', 100n).bytes);
    await solo.steps(3);
    const paths = [pathOf('bob')];
    const at = async (exactly: number): Promise<bigint> =>
      balanceOf(proven(await solo.queries.prove({ ...PLAIN, paths, exactly }), paths)[0]!);
    expect(await at(1)).toBe(0n);
    expect(await at(2)).toBe(0n);
    expect(await at(3)).toBe(100n);
    const known = await solo.queries.prove({ ...PLAIN, paths, exactly: 3, isHeaderKnown: true });
    expect(known.framing).toBeUndefined();
    expect(known.height).toBe(3);
    await expectCodeAsync('NOT_FOUND', solo.queries.prove({ ...PLAIN, paths, exactly: 0 }));
    await solo.store.prune({ block: 1, state: 3 });
    const error = await expectCodeAsync('NOT_FOUND', solo.queries.prove({ ...PLAIN, paths, exactly: 3 }));
    expect(error.next).toContain('kept from height 3 on, and the newest is 4');
    expect(await at(4)).toBe(100n);
  });

  test('of a header to come are waited for, and not longer than asked', async () => {
    const solo = await found();
    await solo.step();
    const paths = [pathOf('alice')];
    const later = solo.queries.prove({ ...PLAIN, paths, atLeast: 3, waitMs: 5_000 });
    await solo.steps(2);
    expect((await later).height).toBeGreaterThanOrEqual(3);
    const error = await expectCodeAsync(
      'NOT_FOUND',
      solo.queries.prove({ ...PLAIN, paths, atLeast: 9, waitMs: 20 }),
    );
    expect(error.message).toContain('the newest is 3');
    await expectCodeAsync('NOT_FOUND', solo.queries.prove({ ...PLAIN, paths, atLeast: 9 }));
  });

  test('are there again one block after a state was fetched without those before it', async () => {
    const solo = await found();
    await solo.steps(3);
    await solo.store.prune({ block: 3, state: 3 });
    const paths = [pathOf('alice')];
    await expectCodeAsync('NOT_FOUND', solo.queries.prove({ ...PLAIN, paths }));
    await expectCodeAsync(
      'NOT_FOUND',
      solo.queries.read(() => null, { isProven: true }),
    );
    expect((await solo.queries.read((state) => state.read(epochStateKey()))).height).toBe(3);
    const later = solo.queries.prove({ ...PLAIN, paths, waitMs: 5_000 });
    await solo.step();
    expect((await later).height).toBe(4);
    expect(proven(await later, paths).map(balanceOf)).toEqual([1_000n]);
  });

  test('whoever waits and goes away, or whose node stops, is told so', async () => {
    const solo = await found();
    const paths = [pathOf('alice')];
    const stop = new AbortController();
    const request = { ...PLAIN, paths, atLeast: 9, waitMs: 5_000 };
    const gone = solo.queries.prove(request, stop.signal);
    const left = solo.queries.prove(request);
    stop.abort();
    await expectCodeAsync('ABORTED', gone);
    solo.queries.close();
    await expectCodeAsync('CLOSED', left);
    await expectCodeAsync('CLOSED', solo.queries.prove(request));
  });
});

describe('transactions', () => {
  test('are shown with their path to the header of their block', async () => {
    const solo = await found();
    const sent = [0, 1, 2, 3, 4].map((nonce) => solo.pay('alice', nonce, 'bob', nonce === 3 ? 5_000n : 1n));
    for (const { bytes } of sent) await solo.queries.submit(bytes);
    await solo.step();
    for (const [index, { id, bytes }] of sent.entries()) {
      const reply = await solo.queries.transaction({ id, waitMs: 0 });
      expectSound(solo, reply.light);
      const { transactionsRoot } = reply.light.header;
      expect(verifyInclusion(transactionsRoot, reply.count, reply.index, id, reply.path)).toBe(true);
      expect(reply.index).toBe(index);
      expect(reply.bytes).toEqual(bytes);
      expect(decodeTransaction(reply.bytes, LEDGER_RULES.operations).id).toEqual(id);
      expect(reply.refusal).toBe(index === 3 ? 'insufficient-balance' : undefined);
    }
  });

  test('that wait are waited for, and not longer than asked', async () => {
    const solo = await found();
    const { id, bytes } = solo.pay('alice', 0, 'bob', 1n);
    const later = solo.queries.transaction({ id, waitMs: 5_000 });
    await solo.step();
    await solo.queries.submit(bytes);
    await solo.step();
    expect((await later).light.header.height).toBe(2);
    const other = digestFrom<Digest>('no transaction');
    const error = await expectCodeAsync('NOT_FOUND', solo.queries.transaction({ id: other, waitMs: 20 }));
    expect(error.message).toContain('up to height 2');
  });

  test('that wait are waited for no longer when another takes the nonce', async () => {
    const solo = await found();
    const rival = solo.pay('alice', 0, 'bob', 2n);
    const lost = solo.pay('alice', 0, 'bob', 1n);
    const queries = solo.queriesWith({
      isWaiting: (id) => solo.intake.pool.has(fromHex(id) as Digest),
      // Its time is never over.
      clock: { timer: () => () => undefined },
    });
    const asked = queries.transaction({ id: lost.id, waitMs: 5_000 });
    await queries.submit(lost.bytes);
    await solo.step([]);
    await solo.step([decodeTransaction(rival.bytes, LEDGER_RULES.operations)]);
    await expectCodeAsync('NOT_FOUND', asked);
    await expectCodeAsync('NOT_FOUND', queries.transaction({ id: lost.id, waitMs: 0 }));
    queries.close();
  });

  test('what the pool refuses is refused', async () => {
    const solo = await found();
    await expectCodeAsync('INVALID_ENCODING', solo.queries.submit(new Uint8Array(7)));
    const { bytes } = solo.pay('alice', 0, 'bob', 1n);
    await expectCodeAsync(
      'INVALID_SIGNATURE',
      solo.queries.submit(bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1)),
    );
  });
});

test('a block taken apart says what came of each transaction, and may have none', async () => {
  const solo = await found();
  await solo.intake.submit(solo.pay('alice', 0, 'bob', 5_000n).bytes);
  await solo.intake.submit(solo.pay('alice', 1, 'bob', 5n).bytes);
  await solo.steps(2);
  const full = await solo.queries.outcomes(1);
  expect(full.block.body.transactions.length).toBe(2);
  expect(full.refusals).toEqual(['insufficient-balance', undefined]);
  expect((await solo.queries.outcomes(2)).refusals).toEqual([]);
  await expectCodeAsync('NOT_FOUND', solo.queries.outcomes(3));
});

test('a block is given as it was proposed, with its certificate', async () => {
  const solo = await found();
  const { bytes, id } = await solo.step();
  const decision = await solo.queries.block(1);
  expect(decision.block).toEqual(bytes);
  expect(decodeBlock(decision.block, LEDGER_RULES).id).toEqual(id);
});

describe('reading', () => {
  const read = (queries: ChainQueries, isProven: boolean, atLeast = 0) =>
    queries.read((state) => accountOf(state, ownerOf('bob')), { isProven, atLeast, waitMs: 5_000 });

  test('is of the newest state, and of the one before it when it is to be proven', async () => {
    const solo = await found();
    await solo.step();
    await solo.intake.submit(solo.pay('alice', 0, 'bob', 7n).bytes);
    await solo.step();
    const newest = await read(solo.queries, false);
    expect(newest.height).toBe(2);
    expect(newest.value.balances).toEqual([[0, 7n]]);
    expect(newest.proof).toBeUndefined();
    const before = await read(solo.queries, true);
    expect(before.height).toBe(1);
    expect(before.value.balances).toEqual([]);
    expect(before.proof!.light.header.height).toBe(2);
    const later = read(solo.queries, true, 2);
    await solo.step();
    expect((await later).value.balances).toEqual([[0, 7n]]);
  });

  test('of several records reads one state, with a proof for each', async () => {
    const solo = await found({ shardBits: 1 });
    await solo.steps(3);
    const keys = [epochStateKey(), parametersKey(), accountKey(ownerOf('alice'))];
    const answer = solo.queries.read((state) => keys.map((key) => state.read(key)), { isProven: true });
    await solo.steps(2);
    const { proof, height, shards } = await answer;
    expect(proof!.records.length).toBe(3);
    expect(shardsRootOf(shards)).toEqual(proof!.light.header.shardsRoot);
    expect(proof!.light.header.height).toBe(height + 1);
  });
});
