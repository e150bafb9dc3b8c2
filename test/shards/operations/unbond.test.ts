import { expect, test } from 'vitest';
import { UNBONDINGS_PER_OWNER_MAX } from '../../../src/base/limits.ts';
import { unbondingOf } from '../../../src/shards/bonds.ts';
import { unbond } from '../../../src/shards/operations/unbond.ts';
import { idOf, Ledger } from '../stake-kit.ts';

const node = idOf('n0');
const leave = (amount: bigint) => ({ node, asset: 0, amount });

test('waits for the border, gives power until the sets that are frozen end, and is counted from there', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', unbond, leave(400n))).toBe(undefined);
  expect(ledger.run('o0', unbond, leave(100n))).toBe(undefined);
  expect(ledger.node('n0')).toMatchObject({ bonded: [[0, 500n]], waiting: [[0, 500n]] });
  ledger.close();
  expect(ledger.powers(1).get('n0')).toBe(1000n);
  expect(ledger.powers(2).get('n0')).toBe(500n);
  expect(unbondingOf(ledger.view, node)).toMatchObject([{ amount: 500n, lastEpoch: 1 }]);
});

test('is refused for what is not there, for nothing, and for what would leave dust', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', unbond, leave(1001n))).toBe('insufficient-balance');
  expect(ledger.run('o1', unbond, leave(1n)), 'nothing of its own').toBe('insufficient-balance');
  expect(ledger.run('o0', unbond, leave(0n))).toBe('invalid-argument');
  expect(ledger.run('o0', unbond, leave(995n))).toBe('invalid-argument');
  expect(ledger.run('o0', unbond, { ...leave(1n), node: idOf('nowhere') })).toBe('no-such-node');
  expect(ledger.run('o0', unbond, leave(1000n))).toBe(undefined);
});

test('an owner has a bounded number of amounts on their way', () => {
  const ledger = new Ledger();
  for (let count = 0; count < UNBONDINGS_PER_OWNER_MAX; count++) {
    expect(ledger.run('o0', unbond, leave(10n))).toBe(undefined);
    ledger.close();
  }
  expect(ledger.run('o0', unbond, leave(10n))).toBe('limit-exceeded');
});
