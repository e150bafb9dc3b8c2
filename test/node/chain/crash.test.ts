// The store after a crash: whatever batch it fell upon, and whether that batch was written, what is there is one whole state, and the chain
// goes on from it to the same end. And a store whose parts do not fit together is not opened.

import { describe, expect, test } from 'vitest';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import { StateStore } from '../../../src/node/chain/state-store.ts';
import { chainKey, keptKey, nodeStoreKey } from '../../../src/node/chain/store-keys.ts';
import type { ChainStore } from '../../../src/node/chain/types.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { encodeNodeKey, nodeKey } from '../../../src/shards/tree/node-key.ts';
import { lowestPath } from '../../../src/shards/tree/path.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { KINDS } from '../../shards/kinds.ts';
import {
  candidateBytes,
  CutKeyValue,
  expectHead,
  expectState,
  keyOf,
  NETWORK,
  open,
  randomFrom,
  TwinChain,
} from './store-kit.ts';

const OPTIONS = { keys: 12, changes: 8, shardBits: 1 };
const BITS = [1, 1, 2, 1, 0, 0];
const ALL = Array.from({ length: OPTIONS.keys }, (_, index) => keyOf(index));

async function chainOn(keyValue: LocalKeyValue): Promise<TwinChain> {
  const store = await open(keyValue);
  const twin = new TwinChain(randomFrom(11));
  await twin.found(store, OPTIONS);
  for (const shardBits of BITS) await twin.step(store, { ...OPTIONS, shardBits });
  return twin;
}

/** Does what is left to do of the chain of `twin`. */
async function goOn(store: ChainStore, twin: TwinChain): Promise<void> {
  if (store.head === undefined) {
    const { head, executed } = twin.steps[0]!;
    await store.found(executed.changes, head, NETWORK);
  }
  for (const { head, decided, executed } of twin.steps.slice(store.head!.height + 1)) {
    await store.keepCandidate(head.height, head.id, candidateBytes(`${head.height}`));
    expect(await store.commit(decided!, executed)).toEqual(head);
    await store.prune({ block: head.height - 2, state: head.height - 3 });
  }
}

describe('after a crash', () => {
  test.each([true, false])(
    'at any batch, written: %s, the last block is whole and the chain goes on to the same end',
    async (isWritten) => {
      const twin = await chainOn(new MemoryKeyValue());
      const random = randomFrom(12);
      let wasCut = true;
      for (let failsAt = 0; wasCut; failsAt++) {
        const disk = new MemoryKeyValue();
        const first = await open(new CutKeyValue(disk, failsAt, isWritten));
        wasCut = await goOn(first, twin).then(
          () => false,
          () => true,
        );
        const store = await open(disk.powerLoss(() => random() < 0.5));
        if (store.head !== undefined) {
          // What was said to be committed is there.
          expect(store.head.height).toBeGreaterThanOrEqual(first.head?.height ?? 0);
          for (const step of twin.steps.slice(store.oldestState, store.head.height + 1)) {
            await expectState(store, step, ALL);
          }
        }
        await goOn(store, twin);
        await expectHead(store, twin.last, ALL);
        for (const step of twin.steps.slice(store.oldestState)) await expectState(store, step, ALL);
      }
    },
  );
});

describe('a store whose parts do not fit together', () => {
  const height = BITS.length;
  const damages: Readonly<Record<string, () => Promise<Uint8Array>>> = {
    'the state of its head': async () => keptKey(0, height),
    'the state before': async () => keptKey(0, height - 1),
    'its block': async () => chainKey('block', height),
    'its certificate': async () => chainKey('certificate', height),
    'the top of a tree': async () => {
      const keyValue = new MemoryKeyValue();
      await chainOn(keyValue);
      const kept = await new StateStore(keyValue, 0, nativeSha256).keptAt(height);
      const { prefix, top } = kept!.trees[0]!;
      if (top.kind !== 'inner') throw new Error('the tree has leaves');
      return nodeStoreKey(0, encodeNodeKey(nodeKey(top.version, lowestPath(prefix), prefix.length)));
    },
  };

  test.each(Object.keys(damages))('is not opened without %s, or with another', async (name) => {
    const key = await damages[name]!();
    const without = new MemoryKeyValue();
    await chainOn(without);
    await without.batch([{ kind: 'delete', key }]);
    expect((await expectCodeAsync('DAMAGED', open(without))).next).toBeDefined();
    const other = new MemoryKeyValue();
    const twin = await chainOn(other);
    await other.batch([{ kind: 'put', key, value: await otherValue(other, key, twin) }]);
    await expectCodeAsync('DAMAGED', open(other));
  });

  test('is not opened when its head is no head', async () => {
    const keyValue = new MemoryKeyValue();
    await chainOn(keyValue);
    await keyValue.batch([{ kind: 'put', key: chainKey('meta'), value: new Uint8Array([1, 2]) }]);
    await expectCodeAsync('DAMAGED', openChainStore({ keyValue, sha256: nativeSha256, kinds: KINDS }));
  });

  /** A value of the same kind from elsewhere, well formed. */
  async function otherValue(keyValue: LocalKeyValue, key: Uint8Array, twin: TwinChain): Promise<Uint8Array> {
    const before = key.slice();
    before[before.length - 1]! -= 1;
    const same = await keyValue.get(before);
    if (same !== undefined) return same;
    // A node: with its halves exchanged it is another.
    const node = (await keyValue.get(key))!;
    expect(twin.last.head.height).toBe(height);
    return Uint8Array.from([...node.subarray(node.length / 2), ...node.subarray(0, node.length / 2)]);
  }
});
