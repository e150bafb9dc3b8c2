import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Epoch } from '../../src/base/ids.ts';
import type { Amounts } from '../../src/shards/amounts.ts';
import { bondsOf, sumOf, unbondingOf } from '../../src/shards/bonds.ts';
import { changeNode } from '../../src/shards/operations/change-node.ts';
import { delegate } from '../../src/shards/operations/delegate.ts';
import { unbond } from '../../src/shards/operations/unbond.ts';
import { parametersOf } from '../../src/shards/parameters.ts';
import { rewardStake, slashStake } from '../../src/shards/stake-changes.ts';
import { Overlay } from '../../src/shards/view.ts';
import { idOf, Ledger, PLAIN } from './stake-kit.ts';

const node = idOf('n0');
const OWNERS = ['alice', 'bob', 'carol', 'o1', 'o2'];

/** Node 0 with bonds of others, some of them leaving in epochs 0 and 1. */
function crowded(amounts: readonly number[], leaving: readonly number[]): Ledger {
  const ledger = new Ledger();
  ledger.run('o0', changeNode, { node, data: PLAIN });
  for (const [index, amount] of amounts.entries()) {
    const bonded: Amounts = [[index % 2, BigInt(amount % 2 === 0 ? amount : 10 + (amount % 80))]];
    ledger.run(OWNERS[index]!, delegate, { node, amounts: bonded });
  }
  for (const [index, amount] of leaving.entries()) {
    if (index === 3) ledger.close();
    ledger.run(OWNERS[index]!, unbond, { node, asset: index % 2, amount: BigInt(amount) });
  }
  return ledger;
}

const crowds = fc.record({
  amounts: fc.array(fc.integer({ min: 10, max: 90 }), { minLength: 1, maxLength: 5 }),
  leaving: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 }),
});

/** What an owner has behind the node, in an asset. */
function stakes(state: Overlay, liableFrom: number): Map<string, bigint> {
  const all = new Map<string, bigint>();
  const add = (name: string, amount: bigint): void => {
    all.set(name, (all.get(name) ?? 0n) + amount);
  };
  for (const { owner, amounts } of bondsOf(state, node)) {
    for (const [asset, amount] of amounts) add(`${toHex(owner)} ${asset} bonded`, amount);
  }
  for (const { owner, asset, amount, lastEpoch } of unbondingOf(state, node)) {
    const isLiable = lastEpoch === null || lastEpoch >= liableFrom;
    add(`${toHex(owner)} ${asset} ${isLiable ? `leaving ${lastEpoch}` : 'gone'}`, amount);
  }
  return all;
}

describe('a slash', () => {
  test('takes the same share of everything that is liable, rounded down, and nothing else', () => {
    fc.assert(
      fc.property(crowds, fc.bigInt(0n, 1000n), fc.nat(4), ({ amounts, leaving }, share, epoch) => {
        const ledger = crowded(amounts, leaving);
        const before = stakes(ledger.view, epoch);
        const state = new Overlay(ledger.state);
        const taken = slashStake(state, ledger.node('n0'), epoch as Epoch, share, 1000n);
        const expected = new Map(
          [...before].map(([name, amount]): [string, bigint] => [
            name,
            name.endsWith('gone') ? amount : amount - (amount * share) / 1000n,
          ]),
        );
        expect(stakes(state, epoch)).toEqual(new Map([...expected].filter(([, amount]) => amount > 0n)));
        const sum = (all: Map<string, bigint>): bigint => [...all.values()].reduce((a, b) => a + b, 0n);
        expect(taken.reduce((all, [, amount]) => all + amount, 0n)).toBe(sum(before) - sum(expected));
      }),
      { numRuns: 60 },
    );
  });

  test('of everything leaves nothing that is liable, and no record', () => {
    const ledger = crowded([50, 50], [20]);
    const state = new Overlay(ledger.state);
    slashStake(state, ledger.node('n0'), 0 as Epoch, 1n, 1n);
    expect(bondsOf(state, node)).toEqual([]);
    expect(unbondingOf(state, node)).toEqual([]);
  });
});

describe('a reward', () => {
  test('goes to owners by what their bonds are worth, never more than there is', () => {
    fc.assert(
      fc.property(crowds, fc.bigInt(0n, 10_000n), ({ amounts }, pot) => {
        const ledger = crowded(amounts, []);
        const state = new Overlay(ledger.state);
        const before = bondsOf(state, node);
        const given = rewardStake(state, parametersOf(state), ledger.node('n0'), pot);
        const after = bondsOf(state, node);
        expect(given <= pot && pot - given < BigInt(before.length)).toBe(true);
        const total = (bonds: typeof before): Amounts => sumOf(bonds.map((bond) => bond.amounts));
        expect(total(after).filter(([asset]) => asset === 1)).toEqual(
          total(before).filter(([asset]) => asset === 1),
        );
        expect(total(after)[0]![1] - total(before)[0]![1]).toBe(given);
      }),
      { numRuns: 40 },
    );
  });

  test('to a node that nobody stands behind is not given', () => {
    const ledger = new Ledger();
    const state = new Overlay(ledger.state);
    slashStake(state, ledger.node('n0'), 0 as Epoch, 1n, 1n);
    expect(rewardStake(state, parametersOf(state), ledger.node('n0'), 100n)).toBe(0n);
  });
});
