import { describe, expect, test } from 'vitest';
import type { Digest } from '../../src/base/ids.ts';
import {
  epochSeed,
  foundingContributor,
  foundingMix,
  nextReveal,
  revealChain,
} from '../../src/consensus/beacon.ts';
import type { Epoch } from '../../src/base/ids.ts';
import { proposerAt } from '../../src/consensus/proposer.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { scheduleOf } from '../../src/shards/epoch-border.ts';
import {
  contributorOf,
  countTransactions,
  missedProposers,
  turnsOf,
  putContributor,
  recordBlock,
} from '../../src/shards/turns.ts';
import { digestFrom } from '../helpers/records.ts';
import { Ledger, NETWORK } from './stake-kit.ts';

/** A ledger whose first validator has a chain of reveals. */
function withChain() {
  const ledger = new Ledger();
  const { node } = ledger.set(0)[0]!;
  const chain = revealChain({ network: NETWORK, node }, digestFrom('secret'), 5, nativeSha256);
  ledger.write((state) => putContributor(state, node, foundingContributor(chain.commitment)));
  const reveal = (): Digest => nextReveal(chain, contributorOf(ledger.view, node)!.current!)!;
  const record = (proposer: number, shown: Digest | null, missed: readonly number[] = []) =>
    ledger.write((state) => recordBlock(state, ledger.block, { proposer, reveal: shown, missed }));
  return { ledger, node, reveal, record };
}

describe('a block', () => {
  test('with a reveal changes the mix, and the next seed with it', () => {
    const { ledger, node, reveal, record } = withChain();
    expect(turnsOf(ledger.view).mix).toEqual(foundingMix(NETWORK));
    expect(record(0, reveal())).toBe(undefined);
    const { mix, turns, transactions } = turnsOf(ledger.view);
    expect(mix).not.toEqual(foundingMix(NETWORK));
    expect(turns[0]).toEqual({ made: 1, missed: 0 });
    expect(transactions).toBe(0);
    expect(contributorOf(ledger.view, node)!.current!.remaining).toBe(4);
    expect(ledger.close().seed).toEqual(epochSeed(NETWORK, 1 as Epoch, mix));
    expect(turnsOf(ledger.view)).toMatchObject({
      mix,
      transactions: 0,
      turns: [0, 0, 0, 0].map(() => ({ made: 0, missed: 0 })),
    });
  });

  test('whose proposer keeps its reveal to itself is a missed turn', () => {
    const { ledger, record } = withChain();
    expect(record(0, null)).toBe(undefined);
    expect(turnsOf(ledger.view).turns[0]).toEqual({ made: 0, missed: 1 });
  });

  test('whose proposer has nothing to reveal is a turn like any other', () => {
    const { ledger, record } = withChain();
    expect(record(1, null, [2, 2, 3])).toBe(undefined);
    expect(turnsOf(ledger.view).turns).toEqual([
      { made: 0, missed: 0 },
      { made: 1, missed: 0 },
      { made: 0, missed: 2 },
      { made: 0, missed: 1 },
    ]);
  });

  test('with a wrong reveal is invalid, and leaves nothing', () => {
    const { ledger, record } = withChain();
    const before = turnsOf(ledger.view);
    expect(record(0, digestFrom('guess'))).toBe('not-the-next-preimage');
    expect(record(1, digestFrom('guess'))).toBe('nothing-committed');
    expect(turnsOf(ledger.view)).toEqual(before);
  });
});

test('the load of an epoch is counted, and begins anew with the next', () => {
  const { ledger } = withChain();
  for (const count of [3, 4]) ledger.write((state) => countTransactions(state, count));
  expect(turnsOf(ledger.view).transactions).toBe(7);
  ledger.close();
  expect(turnsOf(ledger.view).transactions).toBe(0);
});

test('those who missed are the proposers of the rounds before the one that decided, the first of very many', () => {
  const ledger = new Ledger();
  const schedule = scheduleOf(ledger.view, ledger.block);
  expect(missedProposers(schedule, 5, 0)).toEqual([]);
  expect(missedProposers(schedule, 5, 3)).toEqual([0, 1, 2].map((round) => proposerAt(schedule, 5, round)));
  expect(missedProposers(schedule, 5, 2 ** 31 - 1).length).toBe(100);
});
