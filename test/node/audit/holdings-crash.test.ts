// The index of holdings after a crash: whatever batch it fell upon, and whether that batch was written, what the mark says of the index is true.

import { expect, test } from 'vitest';
import { MARK_KEY } from '../../../src/node/audit/holdings-keys.ts';
import { decodeMark } from '../../../src/node/audit/holdings-mark.ts';
import { openHoldings } from '../../../src/node/audit/holdings-store.ts';
import type { ChainStore } from '../../../src/node/chain/types.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { CutKeyValue, NETWORK, randomFrom } from '../chain/store-kit.ts';
import { type Block, expectEntries, FEW, heldIn, Ledger, openBoth, openStore } from './holdings-kit.ts';

test.each([true, false])(
  'fits the head after a crash at any batch, written: %s, and is whole again after it',
  async (isWritten) => {
    const ledger = new Ledger(randomFrom(27), undefined, FEW);
    const blocks: Block[] = [];
    const helds = [heldIn(ledger.memory)];
    const whole = await openStore(new MemoryKeyValue());
    await ledger.found(whole);
    for (let height = 1; height <= 6; height++) {
      blocks.push(ledger.block(whole.head!, 3));
      await whole.commit(blocks.at(-1)!.decided, blocks.at(-1)!.executed);
      helds.push(heldIn(ledger.memory));
    }
    /** Blocks without the index, then the index, built between blocks. */
    const live = async (keyValue: LocalKeyValue): Promise<void> => {
      const first = await openStore(keyValue);
      if (first.head === undefined) {
        await first.found(
          ledger.founding,
          { height: 0, id: blocks[0]!.decided.block.header.parent, timeMs: 1000, shardBits: 0 },
          NETWORK,
        );
      }
      for (const { decided, executed } of blocks.slice(first.head!.height, 3)) {
        await first.commit(decided, executed);
      }
      const { store, holdings } = await openBoth(keyValue);
      let steps = 0;
      const between: Pick<ChainStore, 'still'> = {
        still: async (task) => {
          const next = blocks[store.head!.height];
          if (++steps % 6 === 0 && next !== undefined) await store.commit(next.decided, next.executed);
          return store.still(task);
        },
      };
      await holdings.build(between, { step: { records: 5, places: 60 } });
      await expectEntries(holdings, helds[store.head!.height]!);
      for (const { decided, executed } of blocks.slice(store.head!.height))
        await store.commit(decided, executed);
      await expectEntries(holdings, helds[6]!);
    };
    const random = randomFrom(28);
    let wasCut = true;
    let failsAt = 0;
    for (; wasCut; failsAt++) {
      const disk = new MemoryKeyValue();
      wasCut = await live(new CutKeyValue(disk, failsAt, isWritten)).then(
        () => false,
        (error: unknown) => {
          expect(String(error)).toContain('the power is out');
          return true;
        },
      );
      const after = disk.powerLoss(() => random() < 0.5);
      const bytes = await after.get(MARK_KEY);
      const store = await openStore(after);
      const holdings = await openHoldings({ keyValue: after, sha256: nativeSha256 });
      // Where the mark stands at the head and says that all is there, it is.
      if (bytes !== undefined && decodeMark(bytes).stage === 'whole') {
        expect(decodeMark(bytes).height).toBe(store.head!.height);
        await holdings.build(store);
        await expectEntries(holdings, helds[store.head!.height]!);
      }
      await live(after);
    }
    expect(failsAt).toBeGreaterThan(15);
  },
);
